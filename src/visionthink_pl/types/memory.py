"""Out-of-memory errors that name the phase, the sizes and what to change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from visionthink_pl.types import OutOfMemory, Trajectory

CPU_SIGN = "can't allocate memory"  # torch raises a plain RuntimeError there
IN_TRAINING = "The last checkpoint stands; `python -m visionthink_pl plan` says what fits"
JUDGE_REMEDY = "lower a LocalJudge's batch_size, or set its four_bit or offload"


@contextmanager
def memory_for(
    phase: str, sizes: str, remedies: Sequence[str], stands: str = IN_TRAINING
) -> Iterator[None]:
    """Turn an out-of-memory error within into one that names a remedy.

    Args:
        phase: what is being done.
        sizes: of what it is done with.
        remedies: changes to the config that would need less, the cheapest first.
        stands: what has not been lost, and how to go on.

    Raises:
        OutOfMemory: memory ran out.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        plain = not isinstance(error, torch.OutOfMemoryError | MemoryError)
        if plain and CPU_SIGN not in str(error):
            raise
        reason = " ".join(str(error).split(". ")[0].split())
        raise OutOfMemory(
            f"out of memory in {phase}, with {sizes} ({reason}); {', or '.join(remedies)}. {stands}"
        ) from error


def sizes_of(trajectories: Sequence[Trajectory]) -> str:
    """The sizes of a pass over these trajectories, in words."""
    tokens = sum(len(trajectory.ids) for trajectory in trajectories)
    visual = sum(trajectory.visual_tokens for trajectory in trajectories)
    return f"{len(trajectories)} trajectories of {tokens:,} tokens, {visual:,} of them visual"
