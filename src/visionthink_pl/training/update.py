"""From scored groups to what a loss takes: who gets credit, in which optimizer step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from lightning import Trainer
from torch import Tensor

from visionthink_pl.losses import Loss, LossInputs
from visionthink_pl.training.advantages import Normalisation, group_advantages
from visionthink_pl.training.ranks import gathered
from visionthink_pl.types import Group, Trajectory

if TYPE_CHECKING:
    from visionthink_pl.policy import Policy  # with peft, which takes seconds to load


@dataclass(frozen=True)
class Credited:
    """A trajectory with the advantage it has over its group.

    Attributes:
        old_logprobs: of its generated ids under the policy that sampled, in nats; ``None``
            where that is still the policy.
    """

    trajectory: Trajectory
    advantage: float
    old_logprobs: list[float] | None = None


@dataclass(frozen=True)
class StepTotals:
    """What the trajectories of one optimizer step are averaged over, all micro-batches and ranks
    together.

    Attributes:
        trajectories: how many they are.
        tokens: how many ids they generated.
    """

    trajectories: int
    tokens: int

    @classmethod
    def of(cls, credited: Sequence[Credited]) -> StepTotals:
        return cls(len(credited), sum(row.trajectory.response_tokens for row in credited))

    def __add__(self, other: StepTotals) -> StepTotals:
        return StepTotals(self.trajectories + other.trajectories, self.tokens + other.tokens)


class StepFigures:
    """What is logged of one optimizer step, added up over micro-batches and ranks."""

    def __init__(self) -> None:
        self._shares: dict[str, float] = {}
        self._differences: list[float] = []

    def add(
        self, shares: Mapping[str, Tensor], rows: Sequence[Credited], logprobs_K: Tensor
    ) -> None:
        """Add a micro-batch.

        Args:
            shares: its share of each of the loss's figures.
            rows: its trajectories.
            logprobs_K: of their generated ids, as computed for the loss.
        """
        for name, value in shares.items():
            self._shares[name] = self._shares.get(name, 0.0) + value.item()
        sampled = [value for row in rows for value in row.trajectory.logprobs]
        sampled_K = torch.tensor(sampled, device=logprobs_K.device)
        self._differences += (sampled_K - logprobs_K).abs().tolist()

    def over_ranks(self, trainer: Trainer) -> dict[str, float]:
        """The figures under ``loss/``, and how far log-probabilities as sampled lie from those
        recomputed (mean and largest, in nats), which tells of numerical drift; all ranks must
        ask."""
        own = self._differences
        ranks = gathered(trainer, (self._shares, sum(own), len(own), max(own, default=0.0)))
        shares, sums, counts, largest = zip(*ranks, strict=True)
        names = dict.fromkeys(name for rank in shares for name in rank)
        return {f"loss/{n}": sum(rank.get(n, 0.0) for rank in shares) for n in names} | {
            "train/logprob_difference_mean": sum(sums) / sum(counts),
            "train/logprob_difference_max": max(largest),
        }


def credit(
    groups: Sequence[Group], normalisation: Normalisation, std_floor: float
) -> list[Credited]:
    """The scored trajectories, group by group: neighbours share their prompt."""
    out = []
    for group in groups:
        trajectories, rewards = group.scored()
        rewards_G = torch.tensor(rewards, dtype=torch.float64)
        advantages_G = group_advantages(rewards_G, normalisation, std_floor)
        pairs = zip(trajectories, advantages_G.tolist(), strict=True)
        out += [Credited(trajectory, advantage) for trajectory, advantage in pairs]
    return out


def split(
    groups: Sequence[Group], places: Sequence[int], total: int, parts: int
) -> list[list[Group]]:
    """Neighbouring groups, one part for each optimizer step; sizes, counted over all ranks, differ
    by one at most.

    Fewer groups than parts make a part each.

    Args:
        groups: those of this rank.
        places: of each among those of all ranks.
        total: how many those are.
        parts: how many optimizer steps there should be.
    """
    parts = min(parts, total)
    ends = [total * (index + 1) // parts for index in range(parts)]
    return [
        [group for group, place in zip(groups, places, strict=True) if start <= place < end]
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def micro_batches(rows: Sequence[Credited], size: int) -> list[list[Credited]]:
    """Up to ``size`` rows each, in order; a group that fits into one is not divided."""
    out: list[list[Credited]] = []
    for _, neighbours in groupby(rows, key=lambda row: id(row.trajectory.prompt_ids)):
        group = list(neighbours)
        if not out or len(out[-1]) + len(group) > size:
            out.append([])
        for row in group:
            if len(out[-1]) == size:
                out.append([])
            out[-1].append(row)
    return out


def loss_inputs(
    policy: Policy, loss: Loss, rows: Sequence[Credited], totals: StepTotals
) -> LossInputs:
    """Run the policy, and the reference where the loss needs it, over one micro-batch."""
    trajectories = [row.trajectory for row in rows]
    entropies_K = None
    if loss.entropy_coefficient > 0:
        logprobs_K, entropies_K = policy.logprobs_and_entropies(trajectories)
    else:
        logprobs_K = policy(trajectories)
    needs_reference = loss.kl_coefficient > 0
    reference_K = policy.reference_logprobs(trajectories) if needs_reference else None
    device = logprobs_K.device
    lengths_N = torch.tensor([t.response_tokens for t in trajectories], device=device)
    advantages_N = torch.tensor([row.advantage for row in rows], device=device)
    return LossInputs(
        logprobs_K=logprobs_K,
        old_logprobs_K=_old(rows, logprobs_K),
        reference_logprobs_K=reference_K,
        entropies_K=entropies_K,
        advantages_K=advantages_N.repeat_interleave(lengths_N),
        lengths_K=lengths_N.repeat_interleave(lengths_N),
        trajectories=totals.trajectories,
        tokens=totals.tokens,
    )


def _old(rows: Sequence[Credited], logprobs_K: Tensor) -> Tensor:
    """Under the policy that sampled: the present one, until it has been updated."""
    if any(row.old_logprobs is None for row in rows):
        return logprobs_K.detach()
    old = [value for row in rows for value in row.old_logprobs or ()]
    return torch.tensor(old, device=logprobs_K.device)
