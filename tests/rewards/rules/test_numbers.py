"""What a text is read as."""

from decimal import Decimal

import pytest

from visionthink_pl.rewards.rules.numbers import quantity
from visionthink_pl.rewards.rules.units import canonical

READ = [
    ("1,234.50", "1234.50", "", "thousands"),
    (".5", "0.5", "", "no digit before the point"),
    ("-$3", "-3", "$", "the minus before the sign"),
    ("$2.5 million", "2500000", "$", "a power of ten is part of the value"),
    ("four years", "4", "year", "a small number as a word"),
    ("90°.", "90", "°", "a sign and a full stop"),
    ("7 red cars", "7", "red cars", "any words"),
    ("$4 per hour", "4", "$/h", "money over a time"),
    ("$5 dollars", "5", "$", "money said twice"),
    ("1/4 mile", "0.25", "mi", "a fraction in lowest terms"),
    ("-$2.50", "-2.5", "$", "the minus before the sign, and decimals"),
    ("one hundred and five men", "105", "men", "a number in words"),
]


@pytest.mark.parametrize(("text", "value", "unit", "why"), READ)
def test_quantity(text: str, value: str, unit: str, why: str) -> None:
    read = quantity(text)
    assert read is not None and (read.value, read.unit) == (Decimal(value), unit), why


@pytest.mark.parametrize("text", ["", "cm", "1,00", "1 2", "5:30", "1.2.3", "~5", "٣"])
def test_no_quantity(text: str) -> None:
    assert quantity(text) is None


@pytest.mark.parametrize("text", ["6/12", "4/1", "1/0", "0/5", "007", "00", "05 cm"])
def test_a_score_a_date_or_a_code_is_no_quantity(text: str) -> None:
    assert quantity(text) is None


def test_a_model_that_repeats_itself_says_no_number() -> None:
    for text in ("one" + " hundred" * 9_999, "nine " * 9_999, "1" * 9_999 + "/", "1," * 9_999):
        assert quantity(text) is None


def test_units_by_their_names() -> None:
    for text in ("Square Metres", "sq m", "m^{2}", "m²", "m2"):
        assert canonical(text) == "m^2"
    assert (canonical("mW"), canonical("MW"), canonical("Megawatts")) == ("mW", "MW", "MW")
    assert canonical("Furlongs") == "furlongs"
    assert (canonical("mw"), canonical("mhz"), canonical("Mb")) == ("mw", "MHz", "Mb")
    for text in ("m/s²", "m / s^2", "meters per second squared"):
        assert canonical(text) == "m/s^2"
