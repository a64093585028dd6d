"""The sum of the parts."""

import math
import re
from collections.abc import Mapping
from typing import Any

import pytest
import torch

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
from trainer_helpers import make_rollout
from visionthink_pl.rewards import (
    FormatReward,
    ResizePenalty,
    Reward,
    RuleAccuracy,
    score_group,
)
from visionthink_pl.rewards.base import Scores
from visionthink_pl.types import ConfigError, Group, RunStopped


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


NUMBER = "is a number that is finite in float32, or None where it could not be computed"
LENGTH = "return a list of one score for each trajectory, in their order"

# What a reward returns for a group of three, what the error says came back, and what is right.
WRONG = [
    ([1.0, math.nan, 0.0], "nan for trajectory 2 of 3", NUMBER),
    ([-math.inf, 1.0, 0.0], "-inf for trajectory 1 of 3", NUMBER),
    ([None, 1.0, math.inf], "inf for trajectory 3 of 3", NUMBER),
    ([1.0, 1.0, 1e39], "1e+39 for trajectory 3 of 3", NUMBER),  # infinite in float32
    ([1.0, 10**400, 0.0], "for trajectory 2 of 3", NUMBER),  # beyond any float
    ([1.0, "0.5", 0.0], "'0.5' for trajectory 2 of 3", NUMBER),
    ([1.0, 0.0, torch.tensor(1.0)], "tensor(1.) for trajectory 3 of 3", NUMBER),
    ([[1.0], 0.0, 0.0], "[1.0] for trajectory 1 of 3", NUMBER),
    ([1.0, 0.0], "a list of 2 for 3 trajectories", LENGTH),
    ([1.0, 0.0, 0.0, 0.0], "a list of 4 for 3 trajectories", LENGTH),
    ([], "a list of 0 for 3 trajectories", LENGTH),
    ("yes", "str for 3 trajectories", LENGTH),  # as long as the group
    (None, "NoneType for 3 trajectories", LENGTH),
    (1.0, "float for 3 trajectories", LENGTH),
    (torch.ones(3), "Tensor for 3 trajectories", LENGTH),
]


@pytest.mark.parametrize(("returned", "came", "right"), WRONG)
def test_what_is_no_score_is_refused_where_it_is_made(returned: Any, came: str, right: str) -> None:
    group = make_group([direct(), direct(), high()])
    rewards = [RuleAccuracy(), Fixed("mine", returned, weight=0.0), ResizePenalty()]
    with pytest.raises(RunStopped) as refused:
        score_group(group, rewards)
    message = str(refused.value)
    assert message.startswith("Fixed.score returned ") and len(message) < 250
    assert came in message and "sample 'sample-0'" in message and message.endswith(right)


def test_what_is_a_score_is_taken() -> None:
    group = make_group([direct()] * 6)
    score_group(group, [Fixed("a", [True, False, 2, -0.5, None, 3e38])])
    assert group.rewards == [1.0, 0.0, 2.0, -0.5, None, 3e38]


class Nameless(RuleAccuracy):
    """Forgot what it is logged under."""

    name = ""


class Unsaid(Reward):
    """Never says what it is logged under."""

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return [0.0 for _ in group.trajectories]


@pytest.mark.parametrize("reward", [Nameless(), Unsaid()])
def test_a_reward_without_a_name_is_refused_when_it_is_set_up(reward: Reward) -> None:
    words = f"rollout.rewards: {type(reward).__name__} has no name; write name = '...' in the class"
    with pytest.raises(ConfigError, match=re.escape(words)):
        make_rollout(rewards=[RuleAccuracy(), reward])


def test_a_nan_of_a_training_batch_is_kept_and_named() -> None:
    group = make_group([direct(), direct(), high()])
    rewards = [Fixed("mine", [1.0, math.inf, 0.5]), ResizePenalty()]
    rewards.insert(0, RuleAccuracy())
    with pytest.warns(UserWarning, match="Fixed.score returned inf for trajectory 2 of 3"):
        score_group(group, rewards, keep_bad=True)
    assert math.isnan(group.parts["mine"][1]) and math.isnan(group.rewards[1])
    assert math.isfinite(group.rewards[0]) and math.isfinite(group.rewards[2])
    with pytest.raises(RunStopped, match="a list of 1 for 3"):
        score_group(group, [Fixed("mine", [1.0])], keep_bad=True)
