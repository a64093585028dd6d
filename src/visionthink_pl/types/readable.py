"""Texts of which all can be seen."""

from __future__ import annotations

import unicodedata

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}  # control and format characters, surrogates
JOINERS = "\u200c\u200d"  # which words and emoji are spelt with


def readable(text: str, kept: str = "") -> str:
    """A text in which characters that can't be seen stand as their codes.

    Args:
        text: of a model or of the data.
        kept: characters that are left as they are, such as new lines.
    """
    return "".join(
        f"[U+{ord(c):04X}]"
        if unicodedata.category(c) in HIDDEN and c not in JOINERS and c not in kept
        else c
        for c in text
    )
