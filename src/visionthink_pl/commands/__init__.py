"""Verbs that are not the Trainer's: ``python -m visionthink_pl VERB``."""
