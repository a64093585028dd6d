"""How rare a choice is in a batch, and how far a penalty on it fades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable


class Rarity:
    """Counts the choices of a batch.

    A penalty on calls teaches where calls are of use only while there are calls. On a prompt where
    they are not, a call costs its log-probability as much as one on another prompt gains, so that
    their number drifts, and once there are few the policy no longer tells the prompts apart. With a
    penalty that fades, rare calls gain more than they lose, and become more.

    Args:
        below: share of a batch below which a penalty fades; 0 for never.
    """

    def __init__(self, below: float) -> None:
        self._below = below
        self._seen: Counter[Hashable] = Counter()

    def see(self, choice: Hashable) -> None:
        """Count the choice of one trajectory of the batch."""
        self._seen[choice] += 1

    def factor(self, choice: Hashable) -> float:
        """Of a penalty on this choice: its share of the batch over ``below``, at most 1."""
        total = self._seen.total()
        if not self._below or not total:
            return 1.0
        return min(1.0, self._seen[choice] / total / self._below)

    def forget(self) -> None:
        """The batch has been scored."""
        self._seen.clear()
