"""Notices that a policy no longer chooses: it never calls a tool, or always."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LOST = 10  # draws in a row
EDGE = 0.01  # share of trajectories that still choose otherwise
RISE = 0.02  # of accuracy, since the run's first draws, that makes it worth it


class LostCalls:
    """Follows the share of trajectories that called a tool, and the accuracy.

    Calls that have gone are no fault where accuracy rises: then they were of no use, or always are.
    """

    def __init__(self) -> None:
        self._first: list[float] = []
        self._recent: list[float] = []
        self._held = 0

    def see(self, rate: float, accuracy: float) -> bool:
        """Whether calls have been at an edge for some draws, with an accuracy no higher than at
        first; true once, when that begins to hold.

        Args:
            rate: share of trajectories that were shown something behind a call, in one draw.
            accuracy: mean of the accuracy reward in that draw.
        """
        if len(self._first) < LOST:
            self._first.append(accuracy)
        self._recent = [*self._recent, accuracy][-LOST:]
        risen = _mean(self._recent) > _mean(self._first) + RISE
        self._held = self._held + 1 if not EDGE < rate < 1 - EDGE and not risen else 0
        return self._held == LOST

    @property
    def state(self) -> dict[str, Any]:
        """What has been seen, for a checkpoint."""
        return {"first": self._first, "recent": self._recent, "held": self._held}

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        self._first, self._recent = list(state["first"]), list(state["recent"])
        self._held = state["held"]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
