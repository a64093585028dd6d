"""A made-up group against what rewards and metrics ask of one."""

import pytest

from visionthink_pl.rewards import FormatReward, ResizePenalty, RuleAccuracy, example_group
from visionthink_pl.types import StopReason

CALL = '<think>t</think><tool_call>{"name": "resize_image", "arguments": {}}</tool_call>'
ANSWER = "<think>t</think><answer>7</answer>"


@pytest.mark.parametrize(
    ("turns", "answer", "high", "direct", "stop"),
    [
        ([ANSWER], "7", False, True, StopReason.ANSWERED),
        ([CALL, ANSWER], "7", True, False, StopReason.ANSWERED),
        (["I don't know"], None, False, False, StopReason.NO_ANSWER),
        ([CALL, "hm"], None, True, False, StopReason.NO_ANSWER),
    ],
)
def test_trajectories_are_what_their_turns_say(
    turns: list[str], answer: str | None, high: bool, direct: bool, stop: StopReason
) -> None:
    (row,) = example_group([turns], truth="7").trajectories
    assert (row.answer, row.high, row.direct, row.stop) == (answer, high, direct, stop)
    assert row.visual_tokens == (20 if high else 4) and len(row.images) == 1 + high


def test_rewards_of_ours_score_it() -> None:
    group = example_group([[ANSWER], [CALL, ANSWER], ["8"]], truth="7")
    group.parts["accuracy"] = RuleAccuracy().score(group, {})
    assert group.parts["accuracy"] == [1.0, 1.0, 0.0]
    assert len(FormatReward().score(group, {})) == 3
    assert len(ResizePenalty().score(group, group.parts)) == 3


def test_other_columns_of_the_sample() -> None:
    assert example_group([[ANSWER]], "7", extra={"difficulty": 3}).sample.extra == {"difficulty": 3}
    assert example_group([[ANSWER]], "7").sample.extra == {}
