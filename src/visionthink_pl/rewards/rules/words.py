"""Whole numbers that are written as words, up to 999; thousands and more are powers of ten."""

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
BELOW_100 = {word: value for value, word in enumerate(ONES)}
for _value, _tens in enumerate(TENS, start=2):
    BELOW_100[_tens] = 10 * _value
    for _digit in range(1, 10):
        BELOW_100[f"{_tens}-{ONES[_digit]}"] = 10 * _value + _digit
SMALL = "|".join(sorted(BELOW_100, reverse=True)).replace("-", "[- ]")
# No other word may be joined to it: twenty-first is no number.
NUMBER = re.compile(
    rf"(?:({'|'.join(ONES[1:10])}) hundred(?:(?: and)? ({SMALL}))?|({SMALL}))(?![\w-])",
    re.IGNORECASE,
)


def to_digits(text: str) -> str:
    """The text with a number in words that it begins with in digits."""
    number = NUMBER.match(text)
    if number is None:
        return text
    hundreds, above, alone = (word.lower().replace(" ", "-") for word in number.groups(default=""))
    value = 100 * BELOW_100.get(hundreds, 0) + BELOW_100.get(above or alone, 0)
    return f"{value}{text[number.end() :]}"
