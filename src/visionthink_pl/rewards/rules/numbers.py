"""Numbers with their units: thousands, percent, money, fractions, numbers in words.

Values are exact, and nothing is converted: 0.5 is not 50%. Not numbers here are those that begin
with a 0, which may be codes, and 10/5 or 6/12, which may be scores or dates. A fraction in lowest
terms is a number.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from visionthink_pl.rewards.rules.text import strip_final
from visionthink_pl.rewards.rules.units import agree, canonical, is_unit
from visionthink_pl.rewards.rules.words import to_digits

POWERS = {"": 0, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
QUANTITY = re.compile(
    r"(?P<money>[$€£¥₹]?)\s*(?P<sign>[+-]?)\s*"
    r"(?:(?:(?P<whole>[1-9][0-9]{0,8})(?:\s+(?=[1-9])|\s*(?=\\)))?"
    r"(?:(?P<above>[1-9][0-9]{0,8})/(?P<below>[1-9][0-9]{0,8})"
    r"|\\frac\{(?P<over>[0-9]{1,9})\}\{(?P<under>[1-9][0-9]{0,8})\})"
    r"|(?P<number>(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|0|[1-9][0-9]*)(?:\.[0-9]+)?|\.[0-9]+))"
    rf"(?![0-9])(?:\s*(?P<power>{'|'.join(filter(None, POWERS))})\b)?"
    r"(?:(?P<gap>\s*)(?P<unit>(?:[^\W\d_]|[%°$€£¥₹¢]|/\s*[^\W\d_]).*))?",
    re.IGNORECASE | re.DOTALL,
)
MINUS_MONEY = re.compile(r"^([+-])\s*([$€£¥₹])")
# 7A may be a seat and 1960s a decade. With a blank before the letter it is a unit.
AMBIGUOUS = re.compile(r"[A-KMs]")


class Quantity(NamedTuple):
    """A value and its unit, as it is spelled in ``units``; empty if there is none.

    ``measured``: the unit is known, or there is none.
    """

    value: Decimal | Fraction
    unit: str
    measured: bool = True


def same_quantity(answer: str, truth: str, strict: bool = False) -> bool:
    """Whether both are the same number with the same unit.

    Args:
        strict: a unit may be missing only in the answer; otherwise on either side.
    """
    given, right = quantity(answer), quantity(truth)
    if given is None or right is None or given.value != right.value:
        return False
    if given.unit == right.unit:
        return True
    return given.measured and right.measured and agree(given.unit, right.unit, strict)


def differ_in_unit(answer: str, truth: str) -> bool:
    """Whether both are numbers with different units, at least one of which is known, or which
    differ in the prefixes m and M.

    Then texts that differ only in case are not the same: 5 mW and 5 MW, 5 mT and 5 MT.
    """
    given, right = quantity(answer), quantity(truth)
    if given is None or right is None:
        return False
    units = {given.unit, right.unit} - {""}
    prefixes = {unit[0] for unit in units if len(unit) == 2} == {"m", "M"}
    return len(units) == 2 and (prefixes or any(map(is_unit, units)))


def is_measured(text: str) -> bool:
    """Whether a text is a number without a unit or with a known one."""
    read = quantity(text)
    return read is not None and (read.unit == "" or is_unit(read.unit))


def quantity(text: str) -> Quantity | None:
    """The number in a text, if the text is a number and nothing else but a unit, of any words;
    otherwise ``None``."""
    text = to_digits(strip_final(" ".join(text.split())))
    match = QUANTITY.fullmatch(MINUS_MONEY.sub(r"\2\1", text))
    value = None if match is None else _value(match)
    if match is None or value is None:
        return None
    money, written = match["money"], match["unit"] or ""
    unit = canonical(written)
    if money and unit != money:  # "$5 dollars" is $5
        unit = canonical(f"{money} {written}")
    glued = match["gap"] == "" and AMBIGUOUS.fullmatch(written) is not None
    return Quantity(value, unit, not glued and (unit == "" or is_unit(unit)))


def _value(match: re.Match[str]) -> Decimal | Fraction | None:
    power = POWERS[(match["power"] or "").lower()]
    if match["number"]:
        return Decimal(f"{match['sign']}{match['number'].replace(',', '')}e{power}")
    above, below = int(match["above"] or match["over"]), int(match["below"] or match["under"])
    if match["above"] and (below == 1 or math.gcd(above, below) > 1):
        return None
    value = int(match["whole"] or 0) + Fraction(above, below)
    if match["whole"] and above >= below:
        return None
    return (-value if match["sign"] == "-" else value) * 10**power
