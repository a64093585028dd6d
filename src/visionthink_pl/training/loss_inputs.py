"""One micro-batch through policy and reference, as a loss takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from visionthink_pl.losses import Loss, LossInputs
from visionthink_pl.training.credit import Credited

if TYPE_CHECKING:
    from visionthink_pl.policy import Policy  # with peft, which takes seconds to load


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
    turns = [i for t in trajectories for i, turn in enumerate(t.turns) for _ in turn.generated_ids]
    advantages = [value for row in rows for value in row.advantages]
    return LossInputs(
        logprobs_K=logprobs_K,
        old_logprobs_K=_old(rows, logprobs_K),
        reference_logprobs_K=reference_K,
        entropies_K=entropies_K,
        advantages_K=torch.tensor(advantages, device=device),
        lengths_K=lengths_N.repeat_interleave(lengths_N),
        trajectory_K=torch.arange(len(rows), device=device).repeat_interleave(lengths_N),
        group_K=torch.tensor(_groups(rows), device=device).repeat_interleave(lengths_N),
        turn_K=torch.tensor(turns, device=device),
        trajectories=totals.trajectories,
        tokens=totals.tokens,
    )


def _groups(rows: Sequence[Credited]) -> list[int]:
    """The group of each row: neighbours that share their prompt."""
    runs = groupby(rows, key=lambda row: id(row.trajectory.prompt_ids))
    return [index for index, (_, run) in enumerate(runs) for _ in run]


def _old(rows: Sequence[Credited], logprobs_K: Tensor) -> Tensor:
    """Under the policy that sampled: the present one, until it has been updated."""
    if any(row.old_logprobs is None for row in rows):
        return logprobs_K.detach()
    old = [value for row in rows for value in row.old_logprobs or ()]
    return torch.tensor(old, device=logprobs_K.device)
