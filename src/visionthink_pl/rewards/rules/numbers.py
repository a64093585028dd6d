"""Numbers with their units: thousands, percent, money, spelled-out small numbers.

An answer may leave out a unit that the truth spells out, as the question mostly fixes it. It may
not add one: whether "50%" is right where the truth is "50" nobody can tell from the two texts.
So a bare "0.5" under a truth of "50%" is read as 0.5%, and wrong. Values are exact.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from visionthink_pl.rewards.rules.text import FINAL
from visionthink_pl.rewards.rules.units import MAY_BE_LEFT_OUT, UNITS, canonical

SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
POWERS = {"": 0, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
QUANTITY = re.compile(
    r"(?P<money>[$€£¥₹]?)\s*(?P<sign>[+-]?)\s*"
    r"(?P<number>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)"
    rf"(?:\s*(?P<power>{'|'.join(filter(None, POWERS))})\b)?"
    r"(?:\s*(?P<unit>[a-z%°$€£¥₹].*))?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
MINUS_MONEY = re.compile(r"^([+-])\s*([$€£¥₹])")
LATEX = {r"\%": "%", r"\$": "$", r"^{\circ}": "°", r"^\circ": "°", r"\,": " ", r"\ ": " ", "−": "-"}
LATEX_TEXT = re.compile(r"\\(?:text|mathrm)\{([^{}]*)\}")


class Quantity(NamedTuple):
    """A value and its unit, in the spelling of ``units``; empty where there is none."""

    value: Decimal
    unit: str


def same_quantity(answer: str, truth: str) -> bool:
    """Whether both are the same number of the same unit; the answer may leave out a known one."""
    given, right = quantity(answer), quantity(truth)
    if given is None or right is None or given.value != right.value:
        return False
    return given.unit == right.unit or (given.unit == "" and right.unit in MAY_BE_LEFT_OUT)


def is_measured(text: str) -> bool:
    """Whether a text is a number alone, or with a unit of the table."""
    read = quantity(text)
    return read is not None and (read.unit == "" or read.unit in UNITS)


def quantity(text: str) -> Quantity | None:
    """A text that is a number and at most a unit, any words; ``None`` for every other text."""
    match = QUANTITY.fullmatch(MINUS_MONEY.sub(r"\2\1", _digits(_plain(text))))
    if match is None:
        return None
    power = POWERS[(match["power"] or "").lower()]
    value = Decimal(f"{match['sign']}{match['number'].replace(',', '')}e{power}")
    return Quantity(value, canonical(f"{match['money']} {match['unit'] or ''}"))


def _plain(text: str) -> str:
    """Without the LaTeX of units, and without final punctuation."""
    for latex, plain in LATEX.items():
        text = text.replace(latex, plain)
    return LATEX_TEXT.sub(r" \1", text).strip().rstrip(FINAL)


def _digits(text: str) -> str:
    """A small number that leads as a word, in digits."""
    first, space, rest = text.partition(" ")
    return f"{SMALL.index(first.lower())}{space}{rest}" if first.lower() in SMALL else text
