"""The packed pass with shared prompts against one plain pass per trajectory."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from equivalence.naive import all_logprobs, plain_logprobs
from model_helpers import (
    assert_reference_is_the_base,
    assert_same_gradients,
    gradients_of,
    mixed_trajectories,
    rolled,
    rounding,
    weights,
)
from visionthink_pl.families import Family
from visionthink_pl.policy import Policy, attention, packing
from visionthink_pl.types import Trajectory

pytestmark = pytest.mark.equivalence


@pytest.fixture
def trajectories(policy: Policy) -> list[Trajectory]:
    """Three groups of four."""
    out = [t for group in rolled(policy) for t in group.trajectories]
    assert 0 < sum(t.high for t in out) < len(out)
    return out


@pytest.fixture(params=[False, True], ids=["plain", "checkpointing"])
def checkpointing(request: pytest.FixtureRequest, policy: Policy) -> Iterator[bool]:
    policy.train()
    if request.param:
        policy.base.activation_checkpointing_enable({"use_reentrant": False})
    yield request.param
    policy.base.activation_checkpointing_disable()


def test_shared_prompts_give_the_same_logprobs_and_gradients(
    policy: Policy, trajectories: list[Trajectory], checkpointing: bool
) -> None:
    expected_K = all_logprobs(policy, trajectories)
    (expected_K * weights(expected_K)).sum().backward()
    expected = gradients_of(policy)
    found_K = policy(trajectories)
    torch.testing.assert_close(found_K, expected_K, atol=1e-5, rtol=0)
    (found_K * weights(found_K)).sum().backward()
    assert_same_gradients(gradients_of(policy), expected)


def test_a_group_s_prompt_is_packed_once(policy: Policy, trajectories: list[Trajectory]) -> None:
    packed = packing.pack(trajectories, policy.family, policy.base, policy.features)
    continuations = sum(len(t.ids) - len(t.prompt_ids) for t in trajectories)
    prompts = {id(t.prompt_ids): len(t.prompt_ids) for t in trajectories}
    assert len(prompts) == 3
    assert len(packed.ids_T) == sum(prompts.values()) + continuations  # and no padding


def test_a_family_that_can_t_share_prompts_packs_whole_rows(
    policy: Policy, trajectories: list[Trajectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.no_grad():
        shared_K = policy(trajectories)
        monkeypatch.setattr(type(policy.family), "shares_prompts", False)
        packed = packing.pack(trajectories, policy.family, policy.base, policy.features)
        assert len(packed.ids_T) == sum(len(t.ids) for t in trajectories)
        torch.testing.assert_close(policy(trajectories), shared_K, atol=1e-5, rtol=0)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_packed_rows_without_shared_prompts(
    policy: Policy, family: Family, temperature: float
) -> None:
    rows = mixed_trajectories(family)
    policy.temperature = temperature
    try:
        with torch.no_grad():
            expected_K, atol = all_logprobs(policy, rows), rounding(policy)
            torch.testing.assert_close(policy(rows), expected_K, atol=atol, rtol=0)
    finally:
        policy.temperature = 1.0


def test_one_trajectory_does_not_touch_another(
    policy: Policy, family: Family, trajectories: list[Trajectory]
) -> None:
    first, second, *_ = mixed_trajectories(family)
    with torch.no_grad():
        before_K = policy([first, second])
        first.prompt_ids[5] = family.tokenizer.encode("colour")[0]
        after_K = policy([first, second])
    last = -second.response_tokens
    assert torch.equal(after_K[last:], before_K[last:])
    assert not torch.equal(after_K[:last], before_K[:last])  # the control
    # nor does one of the same group
    one, two = trajectories[:2]
    with torch.no_grad():
        before_K = policy([one, two])
        turns = [replace(turn, generated_ids=turn.generated_ids[::-1]) for turn in one.turns]
        after_K = policy([replace(one, turns=turns), two])
    last = -two.response_tokens
    assert torch.equal(after_K[last:], before_K[last:])
    assert not torch.equal(after_K[:last], before_K[:last])


def test_given_ids_play_no_part_in_the_loss(
    policy: Policy, family: Family, trajectories: list[Trajectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = next(t for t in trajectories if t.high)  # alone, it is packed as it was spoken
    predicts = torch.tensor([*asked.generated_mask[1:], False])  # a generated id comes next
    assert not predicts[len(asked.prompt_ids) :].all()  # some of what follows was given
    plain_hidden = type(family).hidden

    def disturbed(places: Tensor) -> Tensor:
        """Log-probabilities, with what the head is shown at ``places`` disturbed."""

        def hidden(*args, **kwargs) -> Tensor:
            states_1TD = plain_hidden(*args, **kwargs)
            noise_TD = torch.randn(states_1TD.shape[1:], generator=torch.Generator().manual_seed(0))
            disturbance_TD = 3.0 * places[:, None] * noise_TD
            return states_1TD + disturbance_TD.to(states_1TD)

        monkeypatch.setattr(type(family), "hidden", hidden)
        with torch.no_grad():
            return policy([asked])

    before_K = disturbed(torch.zeros_like(predicts))
    assert torch.equal(disturbed(~predicts), before_K)
    for place in predicts.nonzero():  # the control: each of the others does
        one = torch.zeros_like(predicts)
        one[place] = True
        assert (disturbed(one) != before_K).sum() == 1


def test_the_reference_is_the_base_exactly(policy: Policy, family: Family) -> None:
    assert_reference_is_the_base(policy, mixed_trajectories(family))


def test_negative_control_positions_off_by_one(policy: Policy, family: Family) -> None:
    trajectory = mixed_trajectories(family)[0]
    with torch.no_grad():
        shifted_K = plain_logprobs(policy, trajectory, position_shift=1)
        assert (policy([trajectory]) - shifted_K).abs().max() > 1e-4


def test_negative_control_grid_left_out(
    policy: Policy, trajectories: list[Trajectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.no_grad():
        right_K = policy(trajectories)
        whole = type(policy.family).positions

        def flat(
            family: Family, model: object, ids: Tensor, attention: Tensor, _: object
        ) -> Tensor:
            text = torch.zeros_like(ids)  # as if no id were an image's
            return whole(family, model, text, attention, None)

        monkeypatch.setattr(type(policy.family), "positions", flat)
        assert (policy(trajectories) - right_K).abs().max() > 1e-4


def test_negative_control_rows_that_see_what_comes_after(
    policy: Policy, trajectories: list[Trajectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unmasked(*args) -> attention.Packing:
        layout = attention.packing(*args)
        for segment in layout.segments:
            segment.rows[:] = [
                replace(rows, mask_SL=torch.ones_like(rows.mask_SL)) for rows in segment.rows
            ]
        return layout

    with torch.no_grad():
        right_K = policy(trajectories)
        monkeypatch.setattr(packing, "packing", unmasked)
        assert (policy(trajectories) - right_K).abs().max() > 1e-4


@pytest.mark.parametrize("lengths", [[3, 30, 4, 29, 90], [1], [7, 7, 7]])
def test_packed_attention_is_that_of_each_row_alone(lengths: list[int]) -> None:
    generator = torch.Generator().manual_seed(0)
    groups = [(20, lengths), (5, lengths[::-1])]  # continuations shorter and longer than prompts
    total = sum(prompt + sum(rows) for prompt, rows in groups)
    q = torch.randn(1, 4, total, 8, generator=generator)
    k, v = (torch.randn(1, 2, total, 8, generator=generator) for _ in "kv")
    layout = attention.packing(groups, q.device)
    found, _ = attention.attend(None, q, k, v, None, packing=layout, scaling=8**-0.5)
    start = 0
    for prompt, rows in groups:
        place = start + prompt
        for length in rows:
            own = torch.cat(
                [torch.arange(start, start + prompt), torch.arange(place, place + length)]
            )
            row_k, row_v = (x[:, :, own].repeat_interleave(2, 1) for x in (k, v))
            scores = q[:, :, own] @ row_k.transpose(2, 3) * 8**-0.5
            later = torch.ones(len(own), len(own)).triu(1).bool()
            expected = (scores.masked_fill(later, float("-inf")).softmax(-1) @ row_v)[0]
            torch.testing.assert_close(found[0, own], expected.transpose(0, 1), atol=1e-5, rtol=0)
            place += length
        start = place
