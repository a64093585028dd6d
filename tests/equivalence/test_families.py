"""Each family's rollouts and training pass against plain passes of its own model."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from equivalence import naive
from families_helpers import asks, family_of, few_ids
from model_helpers import (
    adapted_policy,
    assert_reference_is_the_base,
    assert_same_gradients,
    generated_ids,
    gradients_of,
    in_second_turns,
    sample_of_size,
    sampled_logprobs,
    weights,
)
from visionthink_pl.families import Embedded, Family
from visionthink_pl.policy import Policy
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.truncation import Truncation
from visionthink_pl.types import Trajectory, VQASample

pytestmark = pytest.mark.equivalence

SAMPLING = Sampling(max_turns=2, max_new_tokens=12, rows=99, seed=5)
GROUP_SIZE = 4
# What is shown before the response decides how it attends to it: behind a long prompt under a
# mask, behind a short one, when the image is large, by the causal kernel.
CASES = {
    "mask": ("look_closer", ((112, 112), (168, 84))),
    "places_NT": (str(Path(__file__).with_name("short_prompt.txt")), ((560, 448), (420, 560))),
}


class Asking(Conversation):
    """Turns ask for the full image, or don't, whatever they say."""

    call = asks


@dataclass
class Rolled:
    """Groups one after another, as the engine sampled them and as the oracle did."""

    found: list[Trajectory]
    wanted: list[Trajectory]


def conversation_of(policy: Policy, case: str) -> Conversation:
    return Asking(policy.family, ConversationOptions(prompt=CASES[case][0]))


def samples_of(case: str) -> list[VQASample]:
    return [sample_of_size(width, height) for width, height in CASES[case][1]]


def roll(policy: Policy, case: str, sampling: Sampling = SAMPLING) -> list[Trajectory]:
    engine = RolloutEngine(policy, conversation_of(policy, case), sampling)
    groups = engine.rollout(samples_of(case), GROUP_SIZE, draw=0)
    return [t for group in groups for t in group.trajectories]


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
def rolled(shared_policy: Policy) -> dict[str, Rolled]:
    """Both cases, with what is asked of them checked."""
    out = {}
    for case in CASES:
        paths: set[str] = set()
        with pytest.MonkeyPatch.context() as patch:
            plain = Policy.hidden

            def noted(*args, plain=plain, paths=paths, **attention) -> Tensor:
                paths.update(attention)
                return plain(*args, **attention)

            in_second_turns(patch, "hidden", noted)
            found = roll(shared_policy, case)
        assert paths == {"cache", case}
        groups = naive.rollout(
            shared_policy,
            conversation_of(shared_policy, case),
            SAMPLING,
            samples_of(case),
            GROUP_SIZE,
            draw=0,
        )
        out[case] = Rolled(found, [t for group in groups for t in group])
    return out


def weighted(logprobs_K: Tensor) -> Tensor:
    """A sum in which no log-probability is lost or swapped unseen."""
    return logprobs_K @ weights(logprobs_K)


@pytest.mark.parametrize("case", CASES)
def test_sampled_trajectories_are_the_oracle_s(rolled: dict[str, Rolled], case: str) -> None:
    found, wanted = rolled[case].found, rolled[case].wanted
    assert 1 < sum(t.high for t in wanted) < len(wanted)
    first_turns = {len(t.turns[0].generated_ids) for t in wanted if t.high}
    assert len(first_turns) > 1  # second turns begin in ragged rows
    for one, other in zip(found, wanted, strict=True):
        assert one.ids == other.ids
        assert (one.stop, one.high, one.generated_mask) == (
            other.stop,
            other.high,
            other.generated_mask,
        )
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_greedy_ids_are_those_of_generate(policy: Policy) -> None:
    sampling = replace(SAMPLING, max_turns=1)
    engine = RolloutEngine(policy, conversation_of(policy, "mask"), sampling)
    for group in engine.rollout(samples_of("mask"), 1, 0, greedy=True):
        (trajectory,) = group.trajectories
        expected = generated_ids(policy, trajectory, sampling.max_new_tokens)
        assert trajectory.turns[0].generated_ids == expected


@pytest.fixture(params=[False, True], ids=["plain", "checkpointing"])
def checkpointing(request: pytest.FixtureRequest, policy: Policy) -> Iterator[bool]:
    policy.train()
    if request.param:
        policy.base.activation_checkpointing_enable({"use_reentrant": False})
    yield request.param
    policy.base.activation_checkpointing_disable()


@pytest.mark.parametrize("case", CASES)
def test_shared_prompts_give_the_same_logprobs_and_gradients(
    policy: Policy, rolled: dict[str, Rolled], case: str, checkpointing: bool
) -> None:
    trajectories = rolled[case].found
    expected_K = naive.all_logprobs(policy, trajectories)
    weighted(expected_K).backward()
    expected = gradients_of(policy)
    passes: list[object] = []
    layer = policy.base.model.language_model.layers[1].self_attn.q_proj
    hook = layer.register_forward_hook(lambda *args: passes.append(args))
    found_K = policy(trajectories)
    torch.testing.assert_close(found_K, expected_K, atol=1e-5, rtol=0)
    weighted(found_K).backward()
    hook.remove()
    assert_same_gradients(gradients_of(policy), expected)
    assert len(passes) == 1 + checkpointing  # once more backward


@pytest.mark.parametrize("case", CASES)
def test_truncated_sampling_and_training_are_one_distribution(
    policy: Policy, case: str, checkpointing: bool
) -> None:
    truncation = Truncation(top_k=4, top_p=0.9, min_p=0.1)  # of the six ids that there are
    trajectories = roll(policy, case, replace(SAMPLING, truncation=truncation))
    assert 0 < sum(t.high for t in trajectories) < len(trajectories)  # some of either
    expected_K = naive.all_logprobs(policy, trajectories, truncation=truncation)
    weighted(expected_K).backward()
    expected = gradients_of(policy)
    found_K = policy(trajectories)
    torch.testing.assert_close(found_K, expected_K, atol=1e-5, rtol=0)
    sampled_K = sampled_logprobs(policy, trajectories)
    torch.testing.assert_close(found_K, sampled_K, atol=1e-5, rtol=0)
    weighted(found_K).backward()
    assert_same_gradients(gradients_of(policy), expected)
    with torch.no_grad():
        wrong_K = naive.all_logprobs(policy, trajectories)
        assert (found_K - wrong_K).abs().max() > 0.1  # the control: among all ids


def test_a_tower_that_trains_gets_its_gradients(
    policy: Policy, family: Family, rolled: dict[str, Rolled]
) -> None:
    trajectories = rolled["mask"].found
    tower = policy.base.get_submodule(family.vision_tower).requires_grad_(True)
    try:
        weighted(naive.all_logprobs(policy, trajectories)).backward()
        expected = gradients_of(policy)
        parts = {name for name, part in tower.named_children() if list(part.parameters())}
        below = [name.partition(f".{family.vision_tower}.")[2] for name in expected]
        assert {name.split(".")[0] for name in below if name} == parts
        weighted(policy(trajectories)).backward()
        assert_same_gradients(gradients_of(policy), expected)
    finally:
        tower.requires_grad_(False)


def sums_of_many(loss: Tensor) -> list[str]:
    """Indexing whose backward pass adds several gradients to one element, which a CPU does in any
    order; zeros do not count."""
    found, seen, waiting = [], set(), [loss.grad_fn]

    def look(node: Any, gradient: Tensor) -> None:
        (dim,) = [d for d, index in enumerate(node._saved_indices) if index is not None]
        index = node._saved_indices[dim]
        others = [d for d in range(gradient.dim()) if not dim <= d < dim + index.dim()]
        used = index[gradient.abs().sum(others) > 0]
        if len(used.unique()) < len(used):
            found.append(f"{node.name()} of {tuple(index.shape)}")

    while waiting:
        if (node := waiting.pop()) is not None and node not in seen:
            seen.add(node)
            waiting += [before for before, _ in node.next_functions]
            if node.name() == "IndexBackward0":
                node.register_prehook(lambda grads, node=node: look(node, grads[0]))
    loss.backward()
    return found


@pytest.mark.parametrize("case", CASES)
def test_no_gradient_depends_on_the_order_of_threads(
    policy: Policy, rolled: dict[str, Rolled], case: str
) -> None:
    assert sums_of_many(weighted(policy(rolled[case].found))) == []


@pytest.mark.parametrize(("indices", "found"), [([0, 0, 1], 1), ([2, 0, 1], 0)])
def test_the_control_of_the_order(indices: list[int], found: int) -> None:
    states_TD = torch.ones(3, 2, requires_grad=True)
    assert len(sums_of_many(states_TD[torch.tensor(indices)].sum())) == found


def test_adapters_off_is_the_base_exactly(policy: Policy, rolled: dict[str, Rolled]) -> None:
    assert_reference_is_the_base(policy, rolled["mask"].found)


def test_kept_features_are_those_of_each_image_alone(policy: Policy, family: Family) -> None:
    images = [image for case in CASES for sample in samples_of(case) for image in sample.images]
    with torch.no_grad():
        together = policy.features([*images, images[0]])
        assert together[0] is together[-1]
        for image, tokens in zip(images, together, strict=False):
            inputs = family.processor.image_processor(images=[image], return_tensors="pt")
            out = policy.base.get_image_features(**inputs.to(policy.base.device))
            deep = [feature[0] for feature in out.get("deepstack_features", [])]
            assert len(deep) == (3 if family.model_type == "qwen3_vl" else 0)
            alone_LPD = torch.stack([out.pooler_output[0], *deep])
            assert tokens.values_LPD.shape[1] == family.visual_tokens(image)
            torch.testing.assert_close(tokens.values_LPD, alone_LPD, atol=1e-5, rtol=1e-5)
    for one, other in zip(together, together[1:], strict=False):
        fewest = min(one.values_LPD.shape[1], other.values_LPD.shape[1])
        difference = one.values_LPD[:, :fewest] - other.values_LPD[:, :fewest]
        assert difference.abs().max() > 1e-2  # the control: images differ on each level


def largest_difference(policy: Policy, case: str) -> float:
    """How far log-probabilities as sampled lie from those of a plain pass."""
    trajectories = roll(policy, case)
    assert any(t.high for t in trajectories)
    sampled_K = sampled_logprobs(policy, trajectories)
    with torch.no_grad():
        return (sampled_K - naive.all_logprobs(policy, trajectories)).abs().max().item()


@pytest.mark.parametrize("case", CASES)
def test_negative_control_positions_of_the_second_turn_off_by_one(
    policy: Policy, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    assert largest_difference(policy, case) < 1e-5
    positions = Policy.positions
    in_second_turns(monkeypatch, "positions", lambda *args: positions(*args) + 1)
    assert largest_difference(policy, case) > 1e-3


@pytest.mark.parametrize("case", CASES)
def test_negative_control_positions_of_images_off_by_one(
    policy: Policy, rolled: dict[str, Rolled], case: str
) -> None:
    trajectory = next(t for t in rolled[case].found if t.high)
    with torch.no_grad():
        shifted_K = naive.plain_logprobs(policy, trajectory, position_shift=1)
        assert (policy([trajectory]) - shifted_K).abs().max() > 1e-3


WRONG = {
    "left out": lambda embedded: replace(embedded, deep=()),
    "levels swapped": lambda embedded: replace(embedded, deep=embedded.deep[::-1]),
    "tokens swapped": lambda embedded: replace(embedded, deep=[d.flip(0) for d in embedded.deep]),
}


@pytest.mark.parametrize("checkpoint", ["qwen3_vl"], indirect=True)
@pytest.mark.parametrize("wrong", WRONG)
def test_negative_control_deepstack(
    policy: Policy, rolled: dict[str, Rolled], monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    trajectories = rolled["mask"].found
    embed = Policy.embed

    def wrongly(*args) -> Embedded:
        return WRONG[wrong](embed(*args))

    with torch.no_grad():
        right_K = policy(trajectories)
        with monkeypatch.context() as patch:
            patch.setattr(Policy, "embed", wrongly)
            assert (policy(trajectories) - right_K).abs().max() > 1e-3
    in_second_turns(monkeypatch, "embed", wrongly)
    assert largest_difference(policy, "mask") > 1e-3
