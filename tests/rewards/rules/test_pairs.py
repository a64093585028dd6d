"""The table of pairs, through all rules at once."""

import pytest

from rewards.rules.pairs import PAIRS
from visionthink_pl.rewards.accuracy import matches


@pytest.mark.parametrize(
    ("answer", "truth", "verdict", "reason"), PAIRS, ids=[pair[3] for pair in PAIRS]
)
def test_pair(answer: str, truth: str, verdict: bool | None, reason: str) -> None:
    assert matches(answer, truth) is verdict, reason


def test_the_table_repeats_nothing() -> None:
    assert len(PAIRS) >= 150
    assert len({pair[:2] for pair in PAIRS}) == len(PAIRS)
