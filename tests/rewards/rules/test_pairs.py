"""The tables of pairs, through all rules at once."""

import pytest

from rewards.rules.pairs import PAIRS
from rewards.rules.traps import TRAPS
from rewards.rules.writings import WRITINGS
from visionthink_pl.rewards.accuracy import matches

ALL = [
    *PAIRS,
    *((answer, truth, False, reason) for answer, truth, reason in TRAPS),
    *((answer, truth, True, reason) for answer, truth, reason in WRITINGS),
]


@pytest.mark.parametrize(
    ("answer", "truth", "verdict", "reason"), ALL, ids=[f"{pair[3]}: {pair[0]}" for pair in ALL]
)
def test_pair(answer: str, truth: str, verdict: bool, reason: str) -> None:
    assert matches(answer, truth) is verdict, reason


def test_the_tables_repeat_nothing() -> None:
    assert len(PAIRS) >= 150 and len(TRAPS) >= 100 and len(WRITINGS) >= 100
    assert len({pair[:2] for pair in ALL}) == len(ALL)
