"""Grouped, ragged decoding over kept caches against one trajectory at a time from its start."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from equivalence import naive
from model_helpers import (
    generated_ids,
    in_second_turns,
    look_every,
    make_conversation,
    rolled,
    sampled_logprobs,
    three_samples,
)
from visionthink_pl.families import Family
from visionthink_pl.policy import Policy
from visionthink_pl.rollout import RolloutEngine, Sampling, decoder, engine
from visionthink_pl.rollout.rows import DecodingRows
from visionthink_pl.types import Group, Trajectory

pytestmark = pytest.mark.equivalence

SAMPLING = Sampling(max_turns=2, max_new_tokens=24, rows=99, seed=0)


def expected(policy: Policy, family: Family, **settings) -> list[Trajectory]:
    settings = {"sampling": SAMPLING, "group_size": 4, "greedy": False} | settings
    groups = naive.rollout(
        policy, make_conversation(family), samples=three_samples(), draw=0, **settings
    )
    return [t for group in groups for t in group]


def flat(groups: Sequence[Group]) -> list[Trajectory]:
    return [t for group in groups for t in group.trajectories]


def assert_same(found: Sequence[Trajectory], wanted: Sequence[Trajectory]) -> None:
    """The same turns, ids and ends, and log-probabilities within 1e-5 at each step."""
    for one, other in zip(found, wanted, strict=True):
        assert one.ids == other.ids
        assert (one.stop, one.high, one.answer) == (other.stop, other.high, other.answer)
        assert one.generated_mask == other.generated_mask
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_sampled_trajectories_are_the_oracle_s(policy: Policy, family: Family) -> None:
    wanted = expected(policy, family)
    asked = [t.high for t in wanted]
    assert 2 <= sum(asked) < len(asked)  # ragged second turns
    assert len({len(t.ids) for t in wanted}) > 3
    assert_same(flat(rolled(policy)), wanted)


@pytest.mark.parametrize("rows", [1, 5])
def test_chunks_change_nothing(policy: Policy, rows: int) -> None:
    assert_same(flat(rolled(policy, rows=rows)), flat(rolled(policy)))


@pytest.mark.parametrize("check_every", [2, 7, 50])
def test_looking_seldom_at_who_has_ended_changes_nothing(
    policy: Policy, monkeypatch: pytest.MonkeyPatch, check_every: int
) -> None:
    wanted = flat(rolled(policy))
    look_every(monkeypatch, check_every)
    assert_same(flat(rolled(policy)), wanted)


@pytest.mark.parametrize("tokens", [1, 400])
def test_how_much_is_read_at_once_changes_nothing(
    policy: Policy, monkeypatch: pytest.MonkeyPatch, tokens: int
) -> None:
    wanted = flat(rolled(policy))
    shapes, hidden = [], Policy.hidden

    def noted(self, ids_NT: Tensor, *rest, **attention) -> Tensor:
        shapes.append(tuple(ids_NT.shape))
        return hidden(self, ids_NT, *rest, **attention)

    monkeypatch.setattr(decoder, "READ", tokens)
    monkeypatch.setattr(Policy, "hidden", noted)
    assert_same(flat(rolled(policy)), wanted)
    reads = [(rows, length) for rows, length in shapes if length > 1]  # the others sample an id
    assert len(reads) > 3
    assert all(rows == 1 or rows * length <= tokens for rows, length in reads)


@pytest.mark.parametrize("join", [0.0, 100.0])
def test_when_rows_join_the_others_changes_nothing(
    policy: Policy, monkeypatch: pytest.MonkeyPatch, join: float
) -> None:
    wanted = flat(rolled(policy))
    monkeypatch.setattr(engine, "JOIN", join)
    assert_same(flat(rolled(policy)), wanted)


def test_greedy_ids_are_those_of_a_dynamic_cache(policy: Policy, family: Family) -> None:
    wanted = expected(policy, family, group_size=1, greedy=True)
    rollouts = RolloutEngine(policy, make_conversation(family), SAMPLING)
    assert_same(flat(rollouts.rollout(three_samples(), 1, 0, greedy=True)), wanted)


def test_greedy_ids_are_those_of_generate(policy: Policy, family: Family) -> None:
    sampling = Sampling(max_turns=1, max_new_tokens=12, rows=99, seed=0)
    rollouts = RolloutEngine(policy, make_conversation(family), sampling)
    for trajectory in flat(rollouts.rollout(three_samples(), 1, 0, greedy=True)):
        assert trajectory.turns[0].generated_ids == generated_ids(policy, trajectory, 12)


def test_sampled_logprobs_are_those_of_the_training_pass(policy: Policy) -> None:
    trajectories = flat(rolled(policy))
    sampled_K = sampled_logprobs(policy, trajectories)
    with torch.no_grad():
        torch.testing.assert_close(policy(trajectories), sampled_K, atol=1e-5, rtol=0)


def largest_difference(policy: Policy) -> float:
    """How far log-probabilities as sampled lie from those of a plain pass."""
    differences = []
    with torch.no_grad():
        for trajectory in flat(rolled(policy)):
            wanted_K = naive.plain_logprobs(policy, trajectory)
            sampled_K = sampled_logprobs(policy, [trajectory])
            differences.append((sampled_K - wanted_K).abs().max())
    return torch.stack(differences).max().item()


def test_the_controls_below_start_from_agreement(policy: Policy) -> None:
    assert largest_difference(policy) < 1e-5


def test_negative_control_positions_of_the_second_turn_off_by_one(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    positions = Policy.positions
    in_second_turns(monkeypatch, "positions", lambda *args: positions(*args) + 1)
    assert largest_difference(policy) > 1e-4


def test_negative_control_a_hole_that_is_looked_at(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = DecodingRows.begin

    def holed(self, rows: list[int], lengths: list[int], *rest) -> None:
        begin(self, rows, [length + 1 for length in lengths], *rest)

    monkeypatch.setattr(DecodingRows, "begin", holed)
    assert largest_difference(policy) > 1e-4


def test_negative_control_the_neighbour_s_random_numbers(policy: Policy) -> None:
    assert [t.ids for t in flat(rolled(policy, seed=1))] != [t.ids for t in flat(rolled(policy))]
