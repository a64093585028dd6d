"""The overlong penalty, by hand."""

import pytest

from helpers import make_group, make_trajectory
from visionthink_pl.rewards import OverlongPenalty
from visionthink_pl.types import Turn

# tokens of each turn, and the score with 100 free, a buffer of 50 and a penalty of 0.5
LENGTHS = [
    ([0], 0.0),
    ([100], 0.0),
    ([60, 40], 0.0),
    ([110], -0.1),
    ([60, 50], -0.1),
    ([125], -0.25),
    ([150], -0.5),
    ([100, 900], -0.5),
]


@pytest.mark.parametrize(("turns", "score"), LENGTHS)
def test_by_hand(turns: list[int], score: float) -> None:
    said = [Turn(generated_ids=[1] * tokens, logprobs=[], text="") for tokens in turns]
    group = make_group([make_trajectory("7", said)])
    reward = OverlongPenalty(free_tokens=100, buffer_tokens=50, penalty=0.5)
    assert reward.score(group, {}) == [pytest.approx(score)]
