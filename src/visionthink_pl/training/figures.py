"""What is logged of one optimizer step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from visionthink_pl.training.bad_steps import not_finite
from visionthink_pl.training.credit import Credited
from visionthink_pl.training.ranks import gathered


@dataclass(frozen=True)
class Accumulated:
    """What the passes of a step gave, over all ranks.

    Attributes:
        figures: by their names.
        not_finite: samples with numbers that are not finite, and which numbers.
    """

    figures: dict[str, float]
    not_finite: list[str]


class StepFigures:
    """Figures of the loss, added up over micro-batches and ranks."""

    def __init__(self) -> None:
        self._shares: dict[str, float] = {}
        self._differences: list[float] = []
        self._not_finite: list[str] = []

    def add(
        self,
        loss: Tensor,
        shares: Mapping[str, Tensor],
        rows: Sequence[Credited],
        logprobs_K: Tensor,
    ) -> None:
        """Add a micro-batch.

        Args:
            loss: of it, a scalar.
            shares: its share of each of the loss's figures.
            rows: its trajectories, which each get the mean difference of their own.
            logprobs_K: of their generated ids, as computed for the loss.
        """
        for name, value in shares.items():
            self._shares[name] = self._shares.get(name, 0.0) + value.item()
        sampled = [value for row in rows for value in row.trajectory.logprobs]
        sampled_K = torch.tensor(sampled, device=logprobs_K.device)
        differences = (sampled_K - logprobs_K).abs().tolist()
        self._differences += differences
        for row in rows:
            own, differences = _split(differences, row.trajectory.response_tokens)
            row.trajectory.logprob_difference = sum(own) / len(own)
        self._not_finite += not_finite(rows, loss.item())

    def over_ranks(self) -> Accumulated:
        """The figures under ``loss/``, and how far log-probabilities as sampled lie from those
        recomputed (mean and largest, in nats), a measure of numerical drift; all ranks must
        ask."""
        own = self._differences
        ranks = gathered(
            (self._shares, sum(own), len(own), max(own, default=0.0), self._not_finite)
        )
        shares, sums, counts, largest, named = zip(*ranks, strict=True)
        names = dict.fromkeys(name for rank in shares for name in rank)
        figures = {f"loss/{n}": sum(rank.get(n, 0.0) for rank in shares) for n in names} | {
            "train/logprob_difference_mean": sum(sums) / sum(counts),
            "train/logprob_difference_max": max(largest),
        }
        return Accumulated(figures, [sample for rank in named for sample in rank])


def _split(values: list[float], count: int) -> tuple[list[float], list[float]]:
    return values[:count], values[count:]
