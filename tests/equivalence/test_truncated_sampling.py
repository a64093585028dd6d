"""Truncated sampling: sampling, policy and reference are one distribution, over one set of ids."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from equivalence import naive
from model_helpers import (
    assert_same_gradients,
    gradients_of,
    look_every,
    make_conversation,
    rolled,
    sampled_logprobs,
    three_samples,
    weights,
)
from visionthink_pl.families import Family
from visionthink_pl.losses import GRPOLoss
from visionthink_pl.losses.grpo import kl_k3
from visionthink_pl.policy import Policy, log_distribution
from visionthink_pl.policy import policy as policy_file
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.rollout.decoder import Decoder
from visionthink_pl.rollout.truncation import Truncation
from visionthink_pl.training import Backend, PolicyUpdate, UpdateOptions
from visionthink_pl.training.credit import Credited
from visionthink_pl.types import Group, Trajectory

pytestmark = pytest.mark.equivalence

SAMPLING = Sampling(max_turns=2, max_new_tokens=24, rows=99, seed=0)
TRUNCATIONS = {
    "top_k": Truncation(top_k=3),
    "top_p": Truncation(top_p=0.9),
    "min_p": Truncation(min_p=0.1),
    "all": Truncation(top_k=20, top_p=0.97, min_p=0.02),
}


@pytest.fixture(params=TRUNCATIONS)
def truncation(request: pytest.FixtureRequest, policy: Policy) -> Iterator[Truncation]:
    """One option, or all; at a temperature at which the embedded model leaves a choice."""
    policy.temperature = 1.5
    yield TRUNCATIONS[request.param]
    policy.temperature = 1.0


def flat(groups: Sequence[Group]) -> list[Trajectory]:
    return [t for group in groups for t in group.trajectories]


def sets_of(trajectories: Sequence[Trajectory]) -> list[list[int]]:
    """The ids that each generated token was chosen from."""
    found: list[list[int]] = []
    for turn in (turn for t in trajectories for turn in t.turns):
        assert turn.supports is not None
        parts = turn.supports.ids_M.split(turn.supports.counts_K.tolist())
        assert len(parts) == len(turn.generated_ids)
        found += [part.tolist() for part in parts]
    return found


def places_of(trajectory: Trajectory) -> list[int]:
    """Where each generated id is predicted."""
    return [t - 1 for t, generated in enumerate(trajectory.generated_mask) if generated]


def plain_rows(
    policy: Policy, trajectories: Sequence[Trajectory], truncation: Truncation
) -> Tensor:
    """The oracle's log-probabilities at each generated id, shape (K, V)."""
    rows = [naive.forward(policy, t, truncation=truncation)[places_of(t)] for t in trajectories]
    return torch.cat(rows)


def test_sampled_trajectories_and_their_sets_are_the_oracle_s(
    policy: Policy, family: Family, truncation: Truncation
) -> None:
    sampling = replace(SAMPLING, truncation=truncation)
    groups = naive.rollout(policy, make_conversation(family), sampling, three_samples(), 4, draw=0)
    wanted = [t for group in groups for t in group]
    found = flat(rolled(policy, truncation=truncation))
    assert 0 < sum(t.high for t in found) < len(found)
    assert [t.ids for t in found] == [t.ids for t in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
    with torch.no_grad():
        left_KV = plain_rows(policy, found, truncation).isfinite()
    sets = sets_of(found)
    assert sets == [row.nonzero().flatten().tolist() for row in left_KV]
    assert len({len(ids) for ids in sets}) > 1 or truncation.top_k == 3
    chosen = [i for t in found for turn in t.turns for i in turn.generated_ids]
    assert all(i in ids for i, ids in zip(chosen, sets, strict=True))
    untruncated = flat(rolled(policy))
    assert [t.ids for t in untruncated] != [t.ids for t in found]  # something is left out


@pytest.mark.parametrize("check_every", [2, 7])
def test_looking_seldom_changes_no_set(
    policy: Policy, truncation: Truncation, monkeypatch: pytest.MonkeyPatch, check_every: int
) -> None:
    wanted = flat(rolled(policy, truncation=truncation))
    look_every(monkeypatch, check_every)
    found = flat(rolled(policy, truncation=truncation))
    assert [t.ids for t in found] == [t.ids for t in wanted]
    assert sets_of(found) == sets_of(wanted)


@pytest.fixture(params=[False, True], ids=["plain", "checkpointing"])
def checkpointing(request: pytest.FixtureRequest, policy: Policy) -> Iterator[bool]:
    policy.train()
    if request.param:
        policy.base.activation_checkpointing_enable({"use_reentrant": False})
    yield request.param
    policy.base.activation_checkpointing_disable()


@pytest.mark.parametrize("chunk", [7, 1024])
def test_the_training_pass_gives_what_was_sampled_and_the_oracle_s_gradients(
    policy: Policy,
    truncation: Truncation,
    checkpointing: bool,
    monkeypatch: pytest.MonkeyPatch,
    chunk: int,
) -> None:
    by_chunks = Policy._by_chunks
    monkeypatch.setattr(
        Policy, "_by_chunks", staticmethod(lambda *args: by_chunks(*args[:4], chunk))
    )
    trajectories = flat(rolled(policy, truncation=truncation))
    expected_K = naive.all_logprobs(policy, trajectories, truncation=truncation)
    (expected_K * weights(expected_K)).sum().backward()
    expected = gradients_of(policy)
    found_K = policy(trajectories)
    torch.testing.assert_close(found_K, expected_K, atol=1e-5, rtol=0)
    sampled_K = sampled_logprobs(policy, trajectories)
    torch.testing.assert_close(found_K, sampled_K, atol=1e-5, rtol=0)
    (found_K * weights(found_K)).sum().backward()
    assert_same_gradients(gradients_of(policy), expected)


def without_sets(trajectories: Sequence[Trajectory]) -> list[Trajectory]:
    return [replace(t, turns=[replace(u, supports=None) for u in t.turns]) for t in trajectories]


def test_negative_control_log_probabilities_among_all_ids(
    policy: Policy, truncation: Truncation
) -> None:
    trajectories = flat(rolled(policy, truncation=truncation))
    with torch.no_grad():
        right_K, wrong_K = policy(trajectories), policy(without_sets(trajectories))
    assert (right_K - wrong_K).max() > 0.01
    assert (right_K - wrong_K).min() > -1e-5  # among fewer ids each is likelier


def test_trajectories_with_and_without_sets_share_a_pass(
    policy: Policy, truncation: Truncation
) -> None:
    trajectories = flat(rolled(policy, truncation=truncation))
    half = len(trajectories) // 2
    mixed = [*without_sets(trajectories[:half]), *trajectories[half:]]
    with torch.no_grad():
        found_K = policy(mixed)
        expected = [policy(without_sets(trajectories[:half])), policy(trajectories[half:])]
    torch.testing.assert_close(found_K, torch.cat(expected), atol=1e-5, rtol=0)


def test_entropies_are_those_of_what_was_left(policy: Policy, truncation: Truncation) -> None:
    trajectories = flat(rolled(policy, truncation=truncation))
    with torch.no_grad():
        logprobs_K, entropies_K = policy.logprobs_and_entropies(trajectories)
        expected_KV = plain_rows(policy, trajectories, truncation)
        _, wrong_K = policy.logprobs_and_entropies(without_sets(trajectories))
        assert torch.equal(logprobs_K, policy(trajectories))
    expected_K = torch.distributions.Categorical(logits=expected_KV).entropy()
    torch.testing.assert_close(entropies_K, expected_K, atol=1e-5, rtol=0)
    assert (entropies_K - wrong_K).abs().max() > 0.01


def test_the_kl_is_exactly_0_where_the_policy_is_the_reference(
    policy: Policy, truncation: Truncation
) -> None:
    trajectories = flat(rolled(policy, truncation=truncation))
    with torch.no_grad():
        assert kl_k3(policy(trajectories), policy.reference_logprobs(trajectories)).max() > 1e-3
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.zero_()
        assert torch.equal(policy(trajectories), policy.reference_logprobs(trajectories))


def test_the_reference_is_among_the_same_ids(policy: Policy, truncation: Truncation) -> None:
    trajectories = flat(rolled(policy, truncation=truncation))
    with torch.no_grad():
        found_K = policy.reference_logprobs(trajectories)
        left_KV = plain_rows(policy, trajectories, truncation).isfinite()
        with policy.model.disable_adapter():
            all_KV = plain_rows(policy, trajectories, Truncation())
    chosen = [i for t in trajectories for turn in t.turns for i in turn.generated_ids]
    among_KV = all_KV.masked_fill(~left_KV, float("-inf")).log_softmax(-1)
    expected_K = among_KV[torch.arange(len(chosen)), chosen]
    torch.testing.assert_close(found_K, expected_K, atol=1e-5, rtol=0)


@pytest.mark.parametrize("options", list(TRUNCATIONS))
def test_the_expected_kl_is_that_among_what_was_left(options: str) -> None:
    """k3 is unbiased where both are distributions over the ids that were left, and only there."""
    generator = torch.Generator().manual_seed(0)
    policy_KV, reference_KV = 3 * torch.randn(2, 50, 40, generator=generator)
    never_V = torch.arange(40) % 7 == 0
    all_KV = log_distribution(policy_KV, never_V, 1.0)
    excluded_KV = TRUNCATIONS[options](all_KV).isinf()
    p_KV = log_distribution(policy_KV, excluded_KV, 1.0)
    q_KV = log_distribution(reference_KV, excluded_KV, 1.0)
    whole_KV = log_distribution(reference_KV, never_V, 1.0)

    def expected(other_KV: Tensor) -> Tensor:
        """The mean of k3 over samples of the policy, exactly."""
        return (p_KV.exp() * kl_k3(p_KV, other_KV)).masked_fill(excluded_KV, 0).sum(-1)

    kl_K = (p_KV.exp() * (p_KV - q_KV)).masked_fill(excluded_KV, 0).sum(-1)
    assert kl_K.min() >= -1e-6 and kl_K.max() > 0.1
    torch.testing.assert_close(expected(q_KV), kl_K, atol=1e-4, rtol=1e-4)
    assert (expected(whole_KV) - kl_K).abs().max() > 0.1  # the control


@pytest.mark.parametrize("exact", [True, False])
def test_old_log_probabilities_are_among_the_same_ids(
    policy: Policy, truncation: Truncation, exact: bool
) -> None:
    """As recorded in fp32; in bf16 they are computed again."""
    trajectories = flat(rolled(policy, truncation=truncation))
    update = PolicyUpdate(
        policy, UpdateOptions(GRPOLoss(), micro_batch_size=3), Backend(exact=exact)
    )
    rows = update._with_old_logprobs([Credited(t, 1.0) for t in trajectories])
    old_K = torch.tensor([value for row in rows for value in row.old_logprobs or ()])
    with torch.no_grad():
        torch.testing.assert_close(policy(trajectories).cpu(), old_K, atol=1e-5, rtol=0)


def test_greedy_decoding_is_not_truncated(
    policy: Policy, family: Family, truncation: Truncation
) -> None:
    def greedy(sampling: Sampling) -> list[Trajectory]:
        engine = RolloutEngine(policy, make_conversation(family), sampling)
        return flat(engine.rollout(three_samples(), 1, 0, greedy=True))

    found, wanted = greedy(replace(SAMPLING, truncation=truncation)), greedy(SAMPLING)
    assert [t.ids for t in found] == [t.ids for t in wanted]
    assert [t.logprobs for t in found] == [t.logprobs for t in wanted]
    assert all(turn.supports is None for t in found for turn in t.turns)
    with torch.no_grad():
        sampled_K = sampled_logprobs(policy, found)
        torch.testing.assert_close(policy(found), sampled_K, atol=1e-5, rtol=0)


def test_without_truncation_nothing_is_sorted_or_kept(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(self, logprobs_NV: Tensor) -> Tensor:
        raise AssertionError("nothing is truncated")

    monkeypatch.setattr(Truncation, "__call__", never)
    trajectories = flat(rolled(policy))
    assert all(turn.supports is None for t in trajectories for turn in t.turns)
    excluded: list[object] = []
    plain = log_distribution

    def noted(logits: Tensor, mask: Tensor, temperature: float) -> Tensor:
        excluded.append(mask)
        return plain(logits, mask, temperature)

    monkeypatch.setattr(policy_file, "log_distribution", noted)
    policy(trajectories)
    assert excluded and all(mask is policy.never_sampled_V for mask in excluded)


class Waits(TorchDispatchMode):
    """Counts what would wait for a GPU: values that the host asks for, and shapes made of them."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        names = (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero)
        self.count += func._overloadpacket in names
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("options", [*TRUNCATIONS, "none"])
def test_no_step_waits_for_the_device(
    policy: Policy, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    steps, waits, step, tolist = 0, Waits(), Decoder._step, Tensor.tolist
    within = False

    def counted(self: Tensor) -> list:
        waits.count += within
        return tolist(self)

    def watched(self: Decoder) -> None:
        nonlocal steps, within
        steps, within = steps + 1, True
        with waits:
            step(self)
        within = False

    monkeypatch.setattr(Tensor, "tolist", counted)
    monkeypatch.setattr(Decoder, "_step", watched)
    rolled(policy, truncation=TRUNCATIONS.get(options, Truncation()))
    assert steps > 20 and waits.count == 0
    whole = policy.distribution
    monkeypatch.setattr(policy, "distribution", lambda x: whole(x if x.isfinite().all() else x))
    rolled(policy)
    assert waits.count > 0  # the control
