"""The verb ``compare``: evaluations, or training runs, side by side."""
