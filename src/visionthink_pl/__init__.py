"""Teach a vision-language model when to look closer."""

__version__ = "0.1.0"
