"""The share of each batch that a process draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from lightning import Trainer

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """The share of each batch that one rank draws.

    Args:
        rank: of this process.
        ranks: number of ranks.
    """

    rank: int = 0
    ranks: int = 1

    @classmethod
    def of_rank(cls, trainer: Trainer) -> Share:
        return cls(trainer.global_rank, trainer.world_size)

    def of(self, batch: Sequence[T]) -> Sequence[T]:
        """This rank's slice. Slices are contiguous, and their sizes differ by at most one."""
        first, last = (len(batch) * r // self.ranks for r in (self.rank, self.rank + 1))
        return batch[first:last]


ALL = Share()
