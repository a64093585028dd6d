"""Removal of a key from texts, whole or in part, as it is or encoded."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

SHORTEST = 8  # characters in a row of a key, or of half of a short one, that are struck out
MARK = "[key]"


def without_key(text: str, key: str) -> str:
    """The text with ``[key]`` in place of each part of a key, of eight characters or more: of the
    key itself, in base64 (behind up to two other bytes, as in ``user:key``), in hexadecimal digits,
    or escaped as in a URL."""
    length = max(2, min(SHORTEST, len(key) // 2))
    pieces = {
        form[start : start + length]
        for form in _forms(key)
        for start in range(len(form) - length + 1)
    }
    out, start = [], 0
    while start < len(text):
        end = start
        while text[end : end + length] in pieces:
            end += 1
        if end > start:
            out.append(MARK)
            start = end + length - 1
        else:
            out.append(text[start])
            start += 1
    return "".join(out)


def _forms(key: str) -> list[str]:
    whole = key.encode()
    forms = [key, whole.hex(), whole.hex().upper(), quote(key, safe="")]
    for before in range(3):  # base64 writes three bytes as four letters, from the first byte on
        text = b"\0" * before + whole
        skipped = (0, 2, 3)[before]  # letters that the bytes before it have a part in
        whole_letters = len(text) * 4 // 3  # the last letter may depend on what follows
        for encode in (b64encode, urlsafe_b64encode):
            forms.append(encode(text).decode()[skipped:whole_letters])
    return forms
