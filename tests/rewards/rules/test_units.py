"""A unit that one side lacks: on either side by default, of the answer alone where strict."""

import pytest

from visionthink_pl.rewards.accuracy import matches

# The answer, the truth, whether they match by default, and whether they do where units are strict.
ONE_SIDED = [
    ("28%", "28", True, False, "percent"),
    ("28", "28%", True, True, "percent of the truth"),
    ("$5", "5", True, False, "money"),
    ("5", "$5", True, True, "money of the truth"),
    ("90°", "90", True, False, "degrees"),
    ("5 cm", "5", True, False, "a length"),
    ("60 km/h", "60", True, False, "a speed"),
    ("1/3 meters", "1/3", True, False, "a fraction"),
    ("1/3", "1/3 meters", True, True, "a fraction of the truth"),
    (r"2\sqrt{3}\text{ cm}", r"2\sqrt{3}", True, False, "a root"),
    (r"2\sqrt{3}", r"2\sqrt{3}\text{ cm}", True, True, "a root of the truth"),
    ("5 cm, 6 cm", "5, 6", True, False, "each of a list"),
    ("12 V", "12", True, False, "a capital behind a space"),
    ("7A", "7", False, False, "may be a seat"),
    ("5K", "5", False, False, "may be thousands"),
    ("1960s", "1960", False, False, "a decade"),
    ("3 apples", "3", False, False, "a thing that is counted is no unit of measure"),
    ("5 cm", "5 m", False, False, "two units"),
    ("5%", "$5", False, False, "a share and money"),
    ("0.5", "50%", False, False, "another number: nothing is converted"),
    ("5", "B. 5 cm", False, False, "it may be all that tells two options apart"),
    ("5 cm", "5 centimeters", True, True, "the same unit"),
]


@pytest.mark.parametrize(
    ("answer", "truth", "optional", "strict", "why"), ONE_SIDED, ids=[row[4] for row in ONE_SIDED]
)
def test_one_side_lacks_it(answer: str, truth: str, optional: bool, strict: bool, why: str) -> None:
    assert matches(answer, truth) is optional, why
    assert matches(answer, truth, units="strict") is strict, why
