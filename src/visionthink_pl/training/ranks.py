"""What the processes of a run exchange beside gradients."""

from __future__ import annotations

from typing import TypeVar

import torch.distributed

T = TypeVar("T")


def rank_count() -> int:
    """How many processes train together; 1 outside of a distributed run."""
    available = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if available else 1


def own_rank() -> int:
    """Which of them is this one."""
    return torch.distributed.get_rank() if rank_count() > 1 else 0


def gathered(value: T) -> list[T]:
    """The ``value`` of each rank, in their order; all of them must ask.

    Args:
        value: anything small that can be pickled.
    """
    if rank_count() == 1:
        return [value]
    values: list[T | None] = [None] * rank_count()
    torch.distributed.all_gather_object(values, value)
    return values  # type: ignore[return-value]
