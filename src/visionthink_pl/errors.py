"""One line that says what was wrong with a config, where, and what would be right."""

from __future__ import annotations
