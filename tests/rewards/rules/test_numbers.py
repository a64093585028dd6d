"""What a text is read as."""

from decimal import Decimal

import pytest

from visionthink_pl.rewards.rules.numbers import Quantity, quantity
from visionthink_pl.rewards.rules.units import canonical

READ = [
    ("1,234.50", "1234.50", "", "thousands"),
    (".5", "0.5", "", "no digit before the point"),
    ("-$3", "-3", "$", "the minus before the sign"),
    ("$2.5 million", "2500000", "$", "a power of ten is part of the value"),
    ("four years", "4", "year", "a small number as a word"),
    (r"90^{\circ}.", "90", "°", "LaTeX and a full stop"),
    ("7 red cars", "7", "red cars", "any words"),
    ("$4 per hour", "4", "$ per hour", "money and words"),
]


@pytest.mark.parametrize(("text", "value", "unit", "why"), READ)
def test_quantity(text: str, value: str, unit: str, why: str) -> None:
    assert quantity(text) == Quantity(Decimal(value), unit), why


@pytest.mark.parametrize("text", ["", "cm", "1,00", "1 2", "1/2", "5:30", "1.2.3", "~5", "٣"])
def test_no_quantity(text: str) -> None:
    assert quantity(text) is None


def test_units_by_their_names() -> None:
    for text in ("Square Metres", "sq m", "m^{2}", "m²", "m2"):
        assert canonical(text) == "m^2"
    assert (canonical("mW"), canonical("MW"), canonical("Megawatts")) == ("mW", "MW", "MW")
    assert canonical("Furlongs") == "furlongs"
