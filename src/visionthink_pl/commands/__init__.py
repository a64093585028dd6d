"""The verbs of ``python -m visionthink_pl``."""
