"""Times of the day with a.m. or p.m. Nothing is converted: 14:30 is not 2:30 pm."""

from __future__ import annotations

import re

TIME = re.compile(r"(\d{1,2})(?::(\d\d))?(?::(\d\d))?\s*([ap])\.?\s?m\.?", re.IGNORECASE)


def same_time(answer: str, truth: str) -> bool:
    """Whether both are the same time of the same half of the day."""
    given, right = _time(answer), _time(truth)
    return given is not None and given == right


def _time(text: str) -> tuple[int, int, int, str] | None:
    match = TIME.fullmatch(text.strip())
    if match is None:
        return None
    return int(match[1]), int(match[2] or 0), int(match[3] or 0), match[4].lower()
