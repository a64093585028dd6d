"""Optimizer steps that are not taken, since a number is not finite."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from visionthink_pl.training.credit import Credited
from visionthink_pl.training.ranks import own_rank
from visionthink_pl.types import PolicyLost, RunStopped

NAMED = 5  # samples in a message
REMEDY = (
    "lower model.optimizer.lr or model.max_grad_norm, look at the samples named above, or train "
    "with trainer.precision: 32-true"
)


class BadSteps:
    """Counts steps that are skipped, and stops a run that takes no others.

    All ranks skip the same steps: they decide by gradients and samples of all of them.

    Args:
        most: how many may be skipped in a row.

    Attributes:
        in_a_row: how many were.
        total: how many were in this run.
    """

    def __init__(self, most: int) -> None:
        self._most, self.in_a_row, self.total = most, 0, 0

    def record(self) -> dict[str, int]:
        """The counts, for a checkpoint."""
        return {"in_a_row": self.in_a_row, "total": self.total}

    def restore(self, record: Mapping[str, int]) -> None:
        """Go on with the counts of a checkpoint."""
        self.in_a_row, self.total = record.get("in_a_row", 0), record.get("total", 0)

    def taken(self) -> None:
        """A step was taken."""
        self.in_a_row = 0

    def skipped(self, what: str, samples: Sequence[str]) -> None:
        """A step was not taken.

        Args:
            what: was not finite.
            samples: of which.

        Raises:
            RunStopped: too many in a row.
        """
        self.in_a_row += 1
        self.total += 1
        what = f"{what}: {', '.join(dict.fromkeys(samples)) or 'no sample by itself'}"
        if own_rank() == 0:
            warnings.warn(f"An optimizer step was skipped: {what}.", stacklevel=2)
        if self.in_a_row >= self._most:
            raise RunStopped(
                f"{self.in_a_row} optimizer steps in a row were skipped (model.max_bad_steps). The "
                f"last: {what}. {REMEDY}",
                by_all=True,
            )


def not_finite(rows: Sequence[Credited], loss: float) -> list[str]:
    """Samples of a micro-batch with numbers that are not finite, and which numbers.

    Args:
        rows: of which the log-probabilities have been recomputed.
        loss: of the micro-batch.
    """
    found: dict[str, str] = {}
    for row in rows:
        if what := _what(row):
            found.setdefault(row.sample, what)
    if not found and not math.isfinite(loss):
        found = {row.sample: f"a loss of {loss:g}" for row in rows}
    named = [f"{sample!r} ({what})" for sample, what in list(found.items())[:NAMED]]
    return named + ([f"{len(found) - NAMED} more"] if len(found) > NAMED else [])


def _what(row: Credited) -> str:
    for value in row.by_turn or (row.advantage,):
        if not math.isfinite(value):
            return f"an advantage of {value:g}"
    recomputed = row.trajectory.logprob_difference
    return "" if recomputed is None or math.isfinite(recomputed) else "log-probabilities"


def check_weights(weights: Iterable[Tensor], rate: float, norm: float) -> None:
    """Check what an optimizer step has made of the weights.

    Args:
        weights: that are trained, of one dtype.
        rate: the learning rate of the step.
        norm: of its gradient, before clipping.

    Raises:
        PolicyLost: some are not finite.
    """
    total = torch.stack([weight.detach().sum() for weight in weights]).sum().item()
    if not math.isfinite(total):
        raise PolicyLost(
            f"an optimizer step with a learning rate of {rate:g} and a gradient norm of {norm:g} "
            "made weights that are not finite. They are not saved: go on from the last checkpoint "
            "with a lower model.optimizer.lr"
        )
