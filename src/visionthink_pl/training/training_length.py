"""How long a training is, and how much of it lies behind."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingLength:
    """How long a training is: it ends at whichever limit it reaches first.

    Attributes:
        batches: of an epoch; infinite where nobody knows.
        max_epochs: -1 for any number.
        max_steps: optimizer steps; -1 for any number.
        updates_per_batch: optimizer steps that a batch may take.
    """

    batches: float
    max_epochs: int
    max_steps: int
    updates_per_batch: int

    @property
    def steps(self) -> float:
        """The most optimizer steps that it can take; may be infinite."""
        by_epochs = self.batches * self.updates_per_batch * self.max_epochs
        limits = [limit for limit in (by_epochs, self.max_steps) if limit > 0]
        return min(limits, default=math.inf)

    def done(self, epochs: float, steps: int) -> float:
        """The share of it that lies behind.

        Args:
            epochs: that are done with, the share of the present one included.
            steps: optimizer steps that were taken.
        """
        by_epochs = epochs / self.max_epochs if self.max_epochs > 0 else 0.0
        by_steps = steps / self.max_steps if self.max_steps > 0 else 0.0
        return min(max(by_epochs, by_steps), 1.0)
