"""The sum of the parts."""

from collections.abc import Mapping

import pytest

from helpers import (
    CALL,
    CALL_TURN,
    answer_turn,
    direct,
    high,
    make_group,
    make_trajectory,
    make_turn,
)
from visionthink_pl.rewards import (
    FormatReward,
    ResizePenalty,
    Reward,
    RuleAccuracy,
    score_group,
)
from visionthink_pl.rewards.base import Scores
from visionthink_pl.types import Group


class Fixed(Reward):
    """Gives the values that it was told, and remembers which parts it saw."""

    def __init__(self, name: str, values: Scores, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.name = name  # type: ignore[misc]
        self.values = values
        self.saw: dict[str, Scores] = {}

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        self.saw = dict(parts)
        return self.values


def test_weighted_sum_and_unweighted_parts() -> None:
    group = make_group([direct(), direct()])
    score_group(group, [Fixed("a", [1.0, 0.0], weight=2.0), Fixed("b", [0.5, 0.25], weight=-1.0)])
    assert group.parts == {"a": [1.0, 0.0], "b": [0.5, 0.25]}
    assert group.rewards == [1.5, -0.25]  # 2*1 - 0.5 and 2*0 - 0.25


def test_none_in_any_part_is_no_reward() -> None:
    group = make_group([direct(), direct(), direct()])
    # A weight of 0 does not turn what is unknown into a zero.
    score_group(group, [Fixed("a", [None, 1.0, 1.0], weight=0.0), Fixed("b", [0.5, None, 0.5])])
    assert group.rewards == [None, None, 0.5]
    trajectories, rewards = group.scored()
    assert trajectories == [group.trajectories[2]] and rewards == [0.5]


def test_parts_are_seen_in_order_and_unweighted() -> None:
    first, second, third = Fixed("a", [1.0], 3.0), Fixed("b", [2.0]), Fixed("c", [4.0])
    score_group(make_group([direct()]), [first, second, third])
    assert first.saw == {}
    assert second.saw == {"a": [1.0]}
    assert list(third.saw.items()) == [("a", [1.0]), ("b", [2.0])]


def test_who_left_the_group_is_not_counted_whatever_the_order() -> None:
    # 1/2 against 1/1 is a tie: calls. Were the wrong direct answer gone, direct ones would win;
    # were the right one, they would lose, which is what happens here.
    group = make_group([direct(), direct(), high()])
    rewards = [Fixed("accuracy", [1.0, 0.0, 1.0]), ResizePenalty("accuracy")]
    score_group(group, [*rewards, Fixed("judge", [None, 0.0, 0.0])])
    assert group.parts["resize_penalty"] == [None, -0.1, 0.0]
    group = make_group([direct(), direct(), high()])
    score_group(group, rewards)
    assert group.parts["resize_penalty"] == [0.0, 0.0, -0.1]


def test_the_paper_s_reward_of_a_group() -> None:
    # Eq. 4 with Eq. 5 to the letter: two direct and one high answer are right, r = 2/3, so the
    # calls are penalised, the wrong one included.
    call = make_turn(CALL_TURN, call=CALL)
    group = make_group(
        [
            make_trajectory("7", [make_turn(answer_turn("7"))]),
            make_trajectory("7", [make_turn("<answer>7</answer>")]),  # no thought
            make_trajectory("7", [call, make_turn(answer_turn("7"))], high=True),
            make_trajectory("1", [call, make_turn(answer_turn("1"))], high=True),
        ],
        truth="7",
    )
    score_group(group, [RuleAccuracy(), FormatReward(), ResizePenalty()])
    assert group.rewards == pytest.approx([1.5, 1.0, 1.4, 0.4])
    assert list(group.parts) == ["accuracy", "format", "resize_penalty"]
