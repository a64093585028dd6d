"""Similarities by hand: 1 - edits / longer length, and 0 where that is below a half."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionthink_pl.rewards.rules.anls import edit_distance, similarity

SIMILAR = [
    ("coca cola", "coca cola", 1.0, "no edit"),
    ("Coca Cola", "coca cola", 1.0, "case"),
    (" coca cola ", "coca cola", 1.0, "white space around"),
    ("coca  cola", "coca cola", 1.0, "white space within is one blank"),
    ("coca\ncola", "coca \tcola", 1.0, "of whatever kind"),
    ("cocacola", "coca cola", 1 - 1 / 9, "no white space is not one blank"),
    ("hallo", "hello", 1 - 1 / 5, "one of 5"),
    ("kitten", "sitting", 1 - 3 / 7, "three of 7: 0.43"),
    ("sitting", "kitten", 1 - 3 / 7, "the same the other way round"),
    ("ab", "ac", 0.5, "one of 2: a half is enough"),
    ("abc", "abd", 1 - 1 / 3, "one of 3"),
    ("abcd", "abef", 0.5, "two of 4"),
    ("abcde", "abfgh", 0.0, "three of 5"),
    ("a  b", "c  d", 0.0, "two of 3: the second blank does not count"),
    ("abcde", "abcfg", 1 - 2 / 5, "two of 5"),
    ("abcde", "abc", 1 - 2 / 5, "two missing, over the longer"),
    ("red or blue", "red", 0.0, "eight of 11"),
    ("", "red", 0.0, "three of 3"),
    ("red", "", 0.0, "three of 3"),
]


@pytest.mark.parametrize(("answer", "truth", "value", "why"), SIMILAR)
def test_similarity(answer: str, truth: str, value: float, why: str) -> None:
    assert similarity(answer, truth) == pytest.approx(value), why


def test_edit_distance() -> None:
    assert edit_distance("", "") == 0
    assert edit_distance("", "abc") == edit_distance("abc", "") == 3
    assert edit_distance("flaw", "lawn") == 2  # the f goes, an n comes
    assert edit_distance("ab", "ba") == 2  # to swap two letters takes two edits


def by_the_table(one: str, other: str) -> int:
    """The distance by all of its table."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


@settings(max_examples=1000, derandomize=True, database=None, deadline=None)
@given(st.text("abé ", max_size=30), st.text("abé ", max_size=30))
def test_the_distance_is_that_of_the_table(one: str, other: str) -> None:
    assert edit_distance(one, other) == by_the_table(one, other)
