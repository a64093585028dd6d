"""What is logged of one optimizer step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from visionthink_pl.training.credit import Credited
from visionthink_pl.training.ranks import gathered


class StepFigures:
    """Figures of the loss, added up over micro-batches and ranks."""

    def __init__(self) -> None:
        self._shares: dict[str, float] = {}
        self._differences: list[float] = []

    def add(
        self, shares: Mapping[str, Tensor], rows: Sequence[Credited], logprobs_K: Tensor
    ) -> None:
        """Add a micro-batch.

        Args:
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

    def over_ranks(self) -> dict[str, float]:
        """The figures under ``loss/``, and how far log-probabilities as sampled lie from those
        recomputed (mean and largest, in nats), a measure of numerical drift; all ranks must
        ask."""
        own = self._differences
        ranks = gathered((self._shares, sum(own), len(own), max(own, default=0.0)))
        shares, sums, counts, largest = zip(*ranks, strict=True)
        names = dict.fromkeys(name for rank in shares for name in rank)
        return {f"loss/{n}": sum(rank.get(n, 0.0) for rank in shares) for n in names} | {
            "train/logprob_difference_mean": sum(sums) / sum(counts),
            "train/logprob_difference_max": max(largest),
        }


def _split(values: list[float], count: int) -> tuple[list[float], list[float]]:
    return values[:count], values[count:]
