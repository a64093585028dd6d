"""Texts that can't be encoded, and values in messages."""

from __future__ import annotations

import re
from typing import Any

SURROGATE = re.compile(r"[\ud800-\udfff]")
LONGEST = 100  # characters of a value in a message


def not_unicode(text: str) -> str | None:
    """Why a text can't be encoded; ``None`` if it can. Such a text would be read without an error,
    and then fail when it is tokenized or written to a log."""
    if (found := SURROGATE.search(text)) is None:
        return None
    return (
        f"character {found.start()} is {found[0]!r}, half of a surrogate pair or a byte that is "
        "not UTF-8"
    )


def printable(text: str) -> str:
    """The text, with escapes for characters that can't be encoded."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def abbreviated(value: Any) -> str:
    """The value as Python writes it, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"
