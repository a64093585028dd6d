"""Sampling and decoding of one turn."""

import pytest
import torch

from model_helpers import make_conversation, plain_logprobs, sample_of_size
from visionthink_pl.families import Family
from visionthink_pl.policy import Policy
from visionthink_pl.rollout.decoder import generate_turn, pick, uniforms
from visionthink_pl.types import Trajectory, Turn


def test_pick_is_the_inverse_cdf() -> None:
    logprobs_NV = torch.tensor([0.5, 0.0, 0.25, 0.25]).log().expand(5, 4)
    uniform_N = torch.tensor([0.0, 0.49, 0.5, 0.76, 1 - 2**-24])
    assert pick(logprobs_NV, uniform_N).tolist() == [0, 0, 2, 3, 3]
    assert pick(logprobs_NV, None).tolist() == [0] * 5


def test_pick_samples_in_proportion_and_never_what_is_masked() -> None:
    probabilities_V = torch.tensor([0.1, 0.0, 0.6, 0.3, 0.0])
    count = 20_000
    chosen_N = pick(probabilities_V.log().expand(count, 5), uniforms(0, "a", count))
    frequencies_V = torch.bincount(chosen_N, minlength=5) / count
    torch.testing.assert_close(frequencies_V, probabilities_V, atol=0.01, rtol=0)
    assert frequencies_V[1] == frequencies_V[4] == 0


def test_uniforms_depend_on_seed_and_key_alone() -> None:
    assert uniforms(0, "3/x/1/0", 2).tolist() == pytest.approx(
        [0.23590511083602905, 0.41454243659973145]
    )
    assert torch.equal(uniforms(0, "a", 4), uniforms(0, "a", 4))
    assert torch.equal(uniforms(0, "a", 8)[:4], uniforms(0, "a", 4))
    assert not torch.equal(uniforms(0, "a", 4), uniforms(0, "b", 4))
    assert not torch.equal(uniforms(0, "a", 4), uniforms(1, "a", 4))


def openings(family: Family) -> list[Trajectory]:
    conversation = make_conversation(family)
    sizes = ((112, 112), (168, 84), (84, 140))
    return [conversation.open(sample_of_size(w, h)).trajectory for w, h in sizes]


@pytest.mark.equivalence
def test_greedy_decoding_equals_generate(policy: Policy, family: Family) -> None:
    for trajectory in openings(family):
        ids_1T = torch.tensor([trajectory.prompt_ids])
        pixels = family.pixels(trajectory.images)
        expected = policy.base.generate(
            input_ids=ids_1T,
            attention_mask=torch.ones_like(ids_1T),
            pixel_values=pixels.values,
            image_grid_thw=pixels.grid_thw,
            mm_token_type_ids=(ids_1T == family.image_token_id).int(),
            do_sample=False,
            max_new_tokens=12,
            suppress_tokens=policy.never_sampled_V.nonzero().flatten().tolist(),
        )[0, ids_1T.shape[1] :].tolist()
        assert generate_turn(policy, [trajectory], None, 12)[0].ids == expected


@pytest.mark.equivalence
def test_sampled_logprobs_equal_teacher_forced_ones(policy: Policy, family: Family) -> None:
    trajectories = openings(family)
    uniform_NT = torch.stack([uniforms(0, str(row), 24) for row in range(len(trajectories))])
    generated = generate_turn(policy, trajectories, uniform_NT, 24)
    for trajectory, row in zip(trajectories, generated, strict=True):
        trajectory.turns = [Turn(row.ids, row.logprobs, "")]
        with torch.no_grad():
            expected_K = plain_logprobs(policy, trajectory)
        torch.testing.assert_close(torch.tensor(row.logprobs), expected_K, atol=1e-5, rtol=0)


@pytest.mark.equivalence
def test_a_row_does_not_depend_on_the_rows_beside_it(policy: Policy, family: Family) -> None:
    trajectories = openings(family)
    uniform_NT = torch.stack([uniforms(1, str(row), 16) for row in range(len(trajectories))])
    together = generate_turn(policy, trajectories, uniform_NT, 16)
    for index, trajectory in enumerate(trajectories):
        alone = generate_turn(policy, [trajectory], uniform_NT[index : index + 1], 16)[0]
        assert alone.ids == together[index].ids


def test_a_turn_is_cut_behind_its_end(policy: Policy, family: Family) -> None:
    end = family.end_of_turn_id
    for row in generate_turn(policy, openings(family), None, 30):
        assert row.finished == (row.ids[-1] == end)
        assert end not in row.ids[:-1]
        assert len(row.ids) == len(row.logprobs) <= 30
