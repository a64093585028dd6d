"""Classifies samples by their counts: pure functions (paper, Sec. 3.5)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum


class Verdict(StrEnum):
    """The class of a sample."""

    NEEDS_HIGH = "needs_high"
    LOW_SUFFICES = "low_suffices"
    DROPPED = "dropped"


def classify(low: int, high: int, rollouts: int, gain: int) -> Verdict:
    """Classify a sample by how many of its rollouts were correct.

    Args:
        low: correct rollouts at low resolution.
        high: correct rollouts at high resolution.
        rollouts: all rollouts at each resolution.
        gain: least ``high - low`` of a sample that needs high resolution.

    Raises:
        ValueError: a count is not within 0 and ``rollouts``.
    """
    for name, count in (("low", low), ("high", high)):
        if not 0 <= count <= rollouts:
            raise ValueError(f"{name}: {count} correct of {rollouts}")
    if low == high == rollouts:
        return Verdict.LOW_SUFFICES
    return Verdict.NEEDS_HIGH if high - low >= gain else Verdict.DROPPED


def balance(verdicts: Mapping[int, Verdict], seed: int) -> list[int]:
    """Draw equally many samples of both classes: as many as the smaller one has.

    Args:
        verdicts: by index of the sample; dropped ones are never drawn.
        seed: of the draw.

    Returns:
        The indices drawn, in order.
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
    """Share of samples whose class agrees with their source.

    Args:
        pairs: the class, and whether the source says that a second look is needed. Samples with
            ``None``, of which it says nothing, are left out.

    Returns:
        ``None`` where the source says nothing of any sample.
    """
    known = [
        (verdict is Verdict.NEEDS_HIGH) == needs for verdict, needs in pairs if needs is not None
    ]
    return sum(known) / len(known) if known else None
