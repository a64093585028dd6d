"""Unicode folding: one character for all that look alike."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

ALIKE = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛ʼʻ´＇", "'"),
        **dict.fromkeys("“”„‟＂", '"'),
        **dict.fromkeys("‐‑‒–−", "-"),
        **dict.fromkeys("º˚", "°"),
        **dict.fromkeys("⁄∕", "/"),
        **dict.fromkeys("\u00ad\u200b\u200e\u200f\u2060\ufeff", ""),  # of no width
    }
)
# Kept: 10² is not 102, nor ① 1.
DISTINCT = ("<super>", "<sub>", "<circle>")


def fold(text: str) -> str:
    r"""The text with plain characters for full-width and styled ones, composed accents (NFC) and
    straight quotes.

    Unlike NFKC this keeps superscripts, subscripts and circled characters. ½ becomes
    ``\frac{1}{2}``.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", "".join(map(_plain, text.translate(ALIKE))))


@lru_cache(10_000)
def _plain(character: str) -> str:
    if character.isascii():
        return character
    kind, *codes = unicodedata.decomposition(character).split() or [""]
    if not kind.startswith("<") or kind in DISTINCT:
        return character
    characters = "".join(chr(int(code, 16)) for code in codes)
    if kind != "<fraction>":
        return characters
    above, _, below = characters.partition("⁄")
    return rf"\frac{{{above}}}{{{below}}}" if below else character
