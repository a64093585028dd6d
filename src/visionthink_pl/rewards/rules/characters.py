"""Unicode folding: one character for those that look alike."""

from __future__ import annotations

import unicodedata

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
# 10² is not 102, nor ① 1.
OTHERWISE = ("<super>", "<sub>", "<circle>")


def fold(text: str) -> str:
    r"""Full-width and styled characters as plain ones, accents composed (NFC), quotes straight.

    Unlike NFKC it keeps what is raised, lowered or circled. ½ becomes ``\frac{1}{2}``.
    """
    return unicodedata.normalize("NFC", "".join(map(_plain, text.translate(ALIKE))))


def _plain(character: str) -> str:
    if character.isascii():
        return character
    kind, *codes = unicodedata.decomposition(character).split() or [""]
    if not kind.startswith("<") or kind in OTHERWISE:
        return character
    parts = "".join(chr(int(code, 16)) for code in codes)
    if kind != "<fraction>":
        return parts
    above, _, below = parts.partition("⁄")
    return rf"\frac{{{above}}}{{{below}}}" if below else character
