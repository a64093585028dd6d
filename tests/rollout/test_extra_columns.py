"""A sample's other columns reach tools and rewards, and never the prompt."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from families_helpers import family_of
from helpers import CALL, make_sample
from visionthink_pl.data import LookCloser
from visionthink_pl.families import Family
from visionthink_pl.policy import Policy
from visionthink_pl.rewards import Reward, RuleAccuracy, score_groups
from visionthink_pl.rewards.base import Scores
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.opening import Opening
from visionthink_pl.types import Group, ToolCall, VQASample
from visionthink_pl.visual_tools import ResizeImage, ToolResult, ViewState

SECRET = "zebra seventeen"
EXTRA = {SECRET: SECRET, "hint": [SECRET, {"deep": SECRET}], "box": [0, 0, 28, 28]}


def opened(family: Family, sample: VQASample) -> Opening:
    return Conversation(family, ConversationOptions()).open(sample)


def reaches_the_prompt(family: Family, sample: VQASample) -> bool:
    """Whether the secret is in what the policy reads, or the prompt differs from that without."""
    without = opened(family, make_sample()).trajectory
    found = opened(family, sample)
    start = found.trajectory
    same = start.prompt_ids == without.prompt_ids and start.images == without.images
    said = f"{family.decode(start.prompt_ids)} {found.messages}"
    return not same or SECRET in said


def test_nothing_of_them_reaches_the_prompt(checkpoint: Path) -> None:
    family = family_of(checkpoint)
    assert not reaches_the_prompt(family, replace(make_sample(), extra=EXTRA))


@pytest.mark.parametrize("where", ["question", "images"])
def test_what_does_reach_it_would_be_noticed(checkpoint: Path, where: str) -> None:
    changed: dict[str, Any] = {
        "question": f"Which {SECRET}?",
        "images": (Image.new("RGB", (112, 112), "red"),),
    }
    sample = replace(make_sample(), **{where: changed[where]})
    assert reaches_the_prompt(family_of(checkpoint), sample)


class ShowBox(ResizeImage):
    """Shows the part of the image that the row's own column names."""

    def run(self, state: ViewState, arguments: Mapping[str, Any]) -> ToolResult:
        return ToolResult("Here it is.", [state.high[0].crop(state.sample.extra["box"])])


class Calling(Conversation):
    """Every first turn calls, whatever it says."""

    calls = False

    def call(self, text: str, offered: object) -> ToolCall | None:
        self.calls = not self.calls
        return CALL if self.calls else None


class Difficulty(Reward):
    """What the row's own column says, for each trajectory."""

    name = "difficulty"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return [group.sample.extra["difficulty"]] * len(group.trajectories)


def test_a_tool_and_a_reward_use_them_in_a_rollout(policy: Policy) -> None:
    boxes = [[0, 0, 28, 28], [28, 56, 84, 112]]
    samples = [
        replace(LookCloser(2)[i], extra={"box": box, "difficulty": i + 0.5})
        for i, box in enumerate(boxes)
    ]
    conversation = Calling(policy.family, ConversationOptions(tools=[ShowBox()]))
    engine = RolloutEngine(policy, conversation, Sampling(2, 40, rows=1, seed=0))
    groups = engine.rollout(samples, 1, draw=0, greedy=True)
    score_groups(groups, [RuleAccuracy(), Difficulty(weight=2.0)])
    for group, sample, box in zip(groups, samples, boxes, strict=True):
        (trajectory,) = group.trajectories
        assert trajectory.images[1:] == [sample.images[0].crop(box)] and trajectory.high
        assert group.parts["difficulty"] == [sample.extra["difficulty"]]
        assert group.rewards[0] == group.parts["accuracy"][0] + 2 * sample.extra["difficulty"]
        assert group.sample.extra == sample.extra
