"""Six turns of zooms, refused calls and failures, in each family, against plain passes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import torch

from equivalence import naive
from families_helpers import family_of, few_ids
from model_helpers import (
    adapted_policy,
    assert_same_gradients,
    gradients_of,
    sample_of_size,
    sampled_logprobs,
    weights,
)
from visionthink_pl.families import Family
from visionthink_pl.policy import Policy
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import StopReason, ToolCall, Trajectory
from visionthink_pl.visual_tools import ResizeImage, ToolResult, ViewState, Zoom

pytestmark = pytest.mark.equivalence

SAMPLING = Sampling(max_turns=6, max_new_tokens=12, rows=99, seed=5)
SAMPLES = [sample_of_size(168, 112), sample_of_size(84, 140)]
GROUP_SIZE = 24
CALLS: Sequence[ToolCall | None] = [
    ToolCall("zoom", {"box": [0, 0, 500, 500]}),
    ToolCall("zoom", {"box": [250, 300, 1000, 900]}),
    ToolCall("zoom", {"box": [500, 0, 400, 1000]}),  # is reversed
    ToolCall("zoom", {"box": [200, 200, 900, 900], "view": 2}),  # of a part, or there is none
    ToolCall("zoom", {"box": [0, 0, 1000, 1000]}),
    ToolCall("resize_image", {"action": "resize"}),
    ToolCall("resize_image", {"action": "fail"}),
    None,
]


class Resize(ResizeImage):
    """Fails where it is asked to."""

    def run(self, state: ViewState, arguments: Mapping[str, Any]) -> ToolResult:
        if arguments["action"] == "fail":
            raise ZeroDivisionError
        return super().run(state, arguments)


class Zooming(Conversation):
    """What a turn calls is decided by its text, whatever it says."""

    def call(self, text: str, offered: Sequence[str]) -> ToolCall | None:
        return CALLS[crc32(text.encode()) % len(CALLS)] if offered else None


def conversation_of(policy: Policy) -> Zooming:
    tools = [Zoom("thousandths", enlarge=2.0), Resize()]
    options = ConversationOptions(
        tools=tools,
        max_turns=6,
        max_new_tokens=SAMPLING.max_new_tokens,
    )
    opening = Zooming(policy.family, options).open(SAMPLES[0])
    look = opening.full_look_tokens
    limits = {
        "max_visual_tokens": 4 * look,
        "max_trajectory_tokens": opening.length.tokens + 4 * look + 90,
    }
    return Zooming(policy.family, replace(options, **limits))


@pytest.fixture(scope="module")
def family(checkpoint: Path) -> Family:
    return family_of(checkpoint)


@pytest.fixture(scope="module")
def shared_policy(checkpoint: Path, family: Family, device: str) -> Policy:
    """``policy`` of ``conftest.py`` takes this one."""
    policy = adapted_policy(str(checkpoint), family, 3.0, device=device)  # so that turns end
    policy.never_sampled_V.copy_(few_ids(family, len(policy.never_sampled_V)))
    return policy


@pytest.fixture(scope="module")
def found(shared_policy: Policy) -> list[Trajectory]:
    engine = RolloutEngine(shared_policy, conversation_of(shared_policy), SAMPLING)
    groups = engine.rollout(SAMPLES, GROUP_SIZE, draw=0)
    return [t for group in groups for t in group.trajectories]


def test_of_each_kind_there_is_one(found: list[Trajectory], shared_policy: Policy) -> None:
    turns = [turn for t in found for turn in t.turns]
    boxes = {view.box for turn in turns for view in turn.shown}
    assert max(t.looks for t in found) >= 3 and max(len(t.turns) for t in found) == 6
    assert len(boxes) >= 4 and None in boxes
    assert len({view.seen for turn in turns for view in turn.shown}) >= 3  # sizes
    assert any(t.tool_failed for t in found)
    assert any(turn.call_error and not turn.tool_failure for turn in turns)
    assert any(turn.call and turn.call.arguments.get("view") and turn.shown for turn in turns)
    errors = {turn.call_error for turn in turns if turn.call_error}
    assert any(re.fullmatch(r"That would show \d+ visual tokens; .*", error) for error in errors)
    assert any(re.fullmatch(r"That would take \d+ tokens; .*", error) for error in errors)
    assert any(t.stop is StopReason.OUT_OF_LENGTH for t in found)
    options = conversation_of(shared_policy).options
    assert max(t.visual_tokens for t in found) <= options.max_visual_tokens
    assert max(len(t.ids) for t in found) <= options.max_trajectory_tokens


def test_rollouts_are_the_oracle_s(policy: Policy, found: list[Trajectory]) -> None:
    groups = naive.rollout(policy, conversation_of(policy), SAMPLING, SAMPLES, GROUP_SIZE, draw=0)
    for one, other in zip(found, (t for group in groups for t in group), strict=True):
        assert one.ids == other.ids and one.stop == other.stop
        assert one.images == other.images and one.visual_tokens == other.visual_tokens
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_gradients_are_the_oracle_s(policy: Policy, found: list[Trajectory]) -> None:
    expected_K = naive.all_logprobs(policy, found)
    (expected_K @ weights(expected_K)).backward()
    expected = gradients_of(policy)
    found_K = policy(found)
    torch.testing.assert_close(found_K, expected_K, atol=1e-5, rtol=0)
    sampled_K = sampled_logprobs(policy, found)
    torch.testing.assert_close(found_K, sampled_K, atol=1e-5, rtol=0)
    (found_K @ weights(found_K)).backward()
    assert_same_gradients(gradients_of(policy), expected)
