"""What counts mean: pure functions (paper, Sec. 3.5)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum


class Verdict(StrEnum):
    """What a sample's counts say about it."""

    NEEDS_HIGH = "needs_high"
    LOW_SUFFICES = "low_suffices"
    DROPPED = "dropped"


def classify(low: int, high: int, rollouts: int, gain: int) -> Verdict:
    """Judge a sample by how many of its rollouts were correct.

    Args:
        low: at low resolution.
        high: at high resolution.
        rollouts: how many there were at each.
        gain: how many more must be correct at high resolution for a sample to need it.
    """
    for name, count in (("low", low), ("high", high)):
        if not 0 <= count <= rollouts:
            raise ValueError(f"{name}: {count} correct of {rollouts}")
    if low == high == rollouts:
        return Verdict.LOW_SUFFICES
    return Verdict.NEEDS_HIGH if high - low >= gain else Verdict.DROPPED


def balance(verdicts: Mapping[int, Verdict], seed: int) -> list[int]:
    """Take as many samples of one class as of the other, drawn from the larger one.

    Args:
        verdicts: by index of the sample; what is dropped is never taken.
        seed: of the draw.

    Returns:
        The indices taken, in order.
    """
    needs, suffices = (
        sorted(index for index, verdict in verdicts.items() if verdict is wanted)
        for wanted in (Verdict.NEEDS_HIGH, Verdict.LOW_SUFFICES)
    )
    size = min(len(needs), len(suffices))
    return sorted(_draw(needs, size, seed) + _draw(suffices, size, seed))


def _draw(indices: Sequence[int], size: int, seed: int) -> list[int]:
    return random.Random(f"balance/{seed}").sample(indices, size)


def agreement(pairs: Iterable[tuple[Verdict, bool | None]]) -> float | None:
    """Share of samples whose class is what their source says of them.

    Args:
        pairs: the class, and whether the source says that a second look is needed; ``None``
            where it doesn't know: these are left out.

    Returns:
        ``None`` where nothing is known of any.
    """
    known = [
        (verdict is Verdict.NEEDS_HIGH) == needs for verdict, needs in pairs if needs is not None
    ]
    return sum(known) / len(known) if known else None
