"""Whole numbers below a million, written as words."""

from __future__ import annotations

import re

# fmt: off
ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
]
# fmt: on
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
VALUES = {word: value for value, word in enumerate(ONES)}
VALUES |= {word: 10 * value for value, word in enumerate(TENS, start=2)}
FACTORS = {"hundred": 100, "thousand": 1000}
WORD = rf"(?:{'|'.join(sorted((*VALUES, *FACTORS), reverse=True))})"
# Nine words at most, as in 999,999. No other word may be joined to them: twenty-first is no number.
NUMBER = re.compile(
    rf"{WORD}(?:(?:[- ]|(?<=hundred) and |(?<=thousand) and ){WORD}){{0,8}}(?![\w-])", re.IGNORECASE
)


def to_digits(text: str) -> str:
    """The text with digits for a number in words at its beginning."""
    found = NUMBER.match(text)
    if found is None:
        return text
    words = [word for word in re.split(r"[- ]", found[0].lower()) if word != "and"]
    value = _value(words)
    # "Two three" and "seven eleven" are no numbers, since no number is spelled that way.
    return f"{value}{text[found.end() :]}" if _spelled(value) == words else text


def _value(words: list[str]) -> int:
    thousands, below = 0, 0
    for word in words:
        if word == "thousand":
            thousands, below = 1000 * below, 0
        else:
            below = 100 * below if word == "hundred" else below + VALUES[word]
    return thousands + below


def _spelled(value: int) -> list[str]:
    for factor_word, factor in reversed(FACTORS.items()):
        if value >= factor:
            rest = _spelled(value % factor) if value % factor else []
            return [*_spelled(value // factor), factor_word, *rest]
    if value < len(ONES):
        return [ONES[value]]
    return [TENS[value // 10 - 2], *(_spelled(value % 10) if value % 10 else [])]
