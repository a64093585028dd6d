"""What a step needs, before any weights are loaded."""
