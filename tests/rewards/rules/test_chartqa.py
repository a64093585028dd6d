"""Relaxed accuracy by hand: |answer - truth| / |truth| against 0.05."""

import pytest

from visionthink_pl.rewards.rules.chartqa import relaxed_match

RELAXED = [
    ("100", "100", True, "0"),
    ("104", "100", True, "0.04"),
    ("105", "100", True, "0.05: the bound is right"),
    ("105.1", "100", False, "0.051"),
    ("95", "100", True, "0.05 below"),
    ("94.9", "100", False, "0.051 below"),
    ("-100", "-104", True, "4 / 104"),
    ("100", "-100", False, "2"),
    ("96%", "1", True, "0.96 against 1: 0.04"),
    ("50%", "0.5", True, "a percent sign divides by 100"),
    ("50%", "50", False, "0.5 against 50"),
    ("51%", "50%", True, "0.02"),
    ("0", "0", True, "the same string"),
    ("0.0", "0", False, "a truth of 0 has no 5%, and the strings differ"),
    ("0.001", "0", False, "nothing is close to 0"),
    ("1,000", "1000", False, "a comma makes it a text"),
    ("1,000", "1,000", True, "the same string"),
    ("Asia", "asia", True, "case"),
    (" Asia ", "Asia", True, "white space around"),
    ("Asia.", "Asia", False, "punctuation counts in a text"),
    ("Asi", "Asia", False, "a text must be exact"),
    ("100", "Asia", False, "a number for a text"),
    ("Asia", "100", False, "a text for a number"),
    ("100 cm", "100", False, "a unit makes it a text"),
    ("%", "%", True, "a sign without a number is a text"),
    ("nan", "100", False, "nan is close to nothing"),
    ("inf", "100", False, "infinity is close to nothing"),
    ("100", "inf", False, "nothing is close to infinity"),
    ("Infinity", "Infinity", True, "the same string"),
    ("infinity", "Infinity", True, "case"),
    ("-Infinity", "Infinity", False, "the sign"),
    ("inf", "Infinity", False, "two texts"),
    ("1e999", "1e998", False, "two numbers that are too large for a float are texts"),
    ("NaN", "nan", True, "the same string, which as a number equals nothing"),
]


@pytest.mark.parametrize(("answer", "truth", "verdict", "why"), RELAXED)
def test_relaxed_match(answer: str, truth: str, verdict: bool, why: str) -> None:
    assert relaxed_match(answer, truth) is verdict, why
