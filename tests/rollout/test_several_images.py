"""Samples with several images: one look at all of them, then all of them in full."""

from dataclasses import replace

import pytest
import torch

from equivalence import naive
from model_helpers import make_conversation, sample_of_size, three_samples
from visionthink_pl.families import Family
from visionthink_pl.images import PixelLimits
from visionthink_pl.policy import Policy
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.types import VQASample
from visionthink_pl.visual_tools import ToolResult

SAMPLING = Sampling(max_turns=2, max_new_tokens=24, rows=99, seed=3)


def together(*sizes: tuple[int, int]) -> VQASample:
    samples = [sample_of_size(*size) for size in sizes]
    images = tuple(image for sample in samples for image in sample.images)
    return replace(samples[0], id=f"{len(sizes)} images", images=images)


def test_all_images_are_shown_small_and_offered_large(family: Family) -> None:
    opening = make_conversation(family).open(together((112, 112), (168, 84)))
    start = opening.trajectory
    assert [image.size for image in start.images] == [(56, 56), (84, 42)]
    assert [image.size for image in opening.high] == [(112, 112), (168, 84)]
    assert start.visual_tokens == start.prompt_ids.count(family.image_token_id) == 4 + 6
    assert opening.full_look_tokens == 16 + 18
    assert start.tools_offered
    ids = make_conversation(family).response(opening, ToolResult(images=list(opening.high))).ids
    assert ids.count(family.image_token_id) == 16 + 18


def test_a_tool_is_offered_where_it_saves_tokens_in_all(family: Family) -> None:
    conversation = make_conversation(family)
    conversation._limits = PixelLimits(min_pixels=1)
    assert conversation.open(together((20, 20), (112, 112))).trajectory.tools_offered
    tiny = conversation.open(together((20, 20), (20, 20)))
    assert not tiny.trajectory.tools_offered
    assert tiny.trajectory.images == tiny.high and tiny.trajectory.images is not tiny.high


@pytest.mark.equivalence
def test_rollouts_and_their_training_pass_are_the_oracle_s(policy: Policy, family: Family) -> None:
    samples = [together((112, 112), (84, 140)), three_samples()[1], together((56, 56), (112, 56))]
    conversation = make_conversation(family)
    groups = RolloutEngine(policy, conversation, SAMPLING).rollout(samples, 4, draw=0)
    found = [t for group in groups for t in group.trajectories]
    wanted = naive.rollout(policy, conversation, SAMPLING, samples, 4, draw=0)
    for one, other in zip(found, (t for group in wanted for t in group), strict=True):
        assert one.ids == other.ids and one.high == other.high
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
    looks = {(len(t.images), t.high) for t in groups[0].trajectories}
    assert looks == {(2, False), (4, True)}  # one of them asked
    assert [group.full_look_tokens for group in groups] == [16 + 15, 18, 4 + 8]
    for trajectory in found:
        tokens = sum(map(family.visual_tokens, trajectory.images))
        assert trajectory.visual_tokens == tokens == trajectory.ids.count(family.image_token_id)
    plain_K = torch.cat([naive.plain_logprobs(policy, trajectory) for trajectory in found])
    torch.testing.assert_close(policy(found), plain_K, atol=1e-5, rtol=0)
