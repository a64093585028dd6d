"""Numbers as text: exact decimal digits, no exponent."""

from __future__ import annotations

import json
import math
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.texts import abbreviated
from visionthink_pl.types.json_objects import deeper_than, unique_keys

MOST_DIGITS = 1000  # a float of 64 bits has 341 at most
MOST_CONVERTED = 4300  # that Python makes an integer of, since the time grows with the square
DEEPEST = 100  # nested lists and objects of JSON


def is_number(value: Any) -> bool:
    """Whether a value is a number. A truth value is not a number."""
    numbers = int | float | Decimal | np.integer | np.floating
    return isinstance(value, numbers) and not isinstance(value, bool)


def numeral(value: Any) -> str:
    """A number in plain digits.

    A float gets the fewest digits that distinguish it from other floats of its type: 0.1 stays 0.1
    in 16, 32 and 64 bits. A ``Decimal`` keeps all its digits: 1.50 stays 1.50.

    Raises:
        BadRow: the number is infinite or NaN, or has more than 1000 digits.
    """
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            raise BadRow(f"answer is no text: {value}")
        return np.format_float_positional(value + 0, trim="-")  # + 0 turns -0.0 into 0.0
    exact = value if isinstance(value, Decimal) else Decimal(int(value))
    if not exact.is_finite():
        raise BadRow(f"answer is no text: {value}")
    if max(len(exact.as_tuple().digits), abs(exact.adjusted())) > MOST_DIGITS:
        raise BadRow(f"answer has too many digits: {abbreviated(exact)}; at most {MOST_DIGITS}")
    return format(exact, "f")


def loads(text: str) -> Any:
    """Parse JSON; numbers keep the digits with which they are written.

    Raises:
        ValueError: the text is no JSON, an object in it has a key twice, or it is nested more than
            100 deep: what reads it later does so by recursion.
    """
    value = json.loads(
        text, parse_float=_as_written, parse_int=_integer, object_pairs_hook=unique_keys
    )
    if deeper_than(DEEPEST, value):
        raise ValueError(f"lists and objects are nested more than {DEEPEST} deep")
    return value


def _integer(number: str) -> int:
    if len(number) > MOST_CONVERTED:
        raise ValueError(f"a number has {len(number)} digits; at most {MOST_CONVERTED}")
    return int(number)


def _as_written(number: str) -> float | Decimal:
    """A float, or a ``Decimal`` if no float has exactly these digits."""
    nearest = float(number)
    try:
        exact = Decimal(number)
    except InvalidOperation:  # the exponent is too large
        return nearest
    return nearest if Decimal(repr(nearest)) == exact else exact
