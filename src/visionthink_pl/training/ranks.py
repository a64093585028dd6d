"""What the ranks of a run tell one another beside gradients."""

from __future__ import annotations

from typing import TypeVar

import torch.distributed
from lightning import Trainer

T = TypeVar("T")


def gathered(trainer: Trainer, value: T) -> list[T]:
    """The ``value`` of each rank, in their order; all of them must ask.

    Args:
        trainer: of the run.
        value: anything small that can be pickled.
    """
    if trainer.world_size == 1:
        return [value]
    values: list[T | None] = [None] * trainer.world_size
    torch.distributed.all_gather_object(values, value)
    return values  # type: ignore[return-value]
