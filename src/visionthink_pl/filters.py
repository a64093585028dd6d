"""Which of the scored trajectories are trained on.

Metrics count all that was sampled; what is dropped here leaves its group before advantages are
computed, as a trajectory without a reward does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from visionthink_pl.advantages import has_signal
from visionthink_pl.types import Group, StopReason


class Filter(ABC):
    """Says which trajectories of a group are left out of training."""

    @abstractmethod
    def keeps(self, group: Group) -> list[bool]:
        """Whether each trajectory of the group stays in it."""


class DropEmpty(Filter):
    """Leaves out trajectories of which no turn holds more than white space (paper, Sec. 4.1)."""

    def keeps(self, group: Group) -> list[bool]:
        return [any(turn.text.strip() for turn in row.turns) for row in group.trajectories]


class DropDuplicates(Filter):
    """Leaves out trajectories that generated the same ids as one before them in their group.

    Where answers are short nearly all are duplicates, and what is left of a group no longer tells
    how often the policy does what: for long answers only.
    """

    def keeps(self, group: Group) -> list[bool]:
        said = [[turn.generated_ids for turn in row.turns] for row in group.trajectories]
        return [turns not in said[:index] for index, turns in enumerate(said)]


class DropOverlong(Filter):
    """Leaves out trajectories that ran out of tokens, which neither teach nor count in the mean
    (Yu et al., "DAPO", overlong filtering)."""

    def keeps(self, group: Group) -> list[bool]:
        return [row.stop is not StopReason.OUT_OF_TOKENS for row in group.trajectories]


def filter_group(group: Group, filters: Sequence[Filter]) -> Group:
    """The group without what has no reward and without what any filter drops."""
    kept = [reward is not None for reward in group.rewards]
    for one in filters:
        kept = [a and b for a, b in zip(kept, one.keeps(group), strict=True)]
    return group.only(kept)


def with_signal(groups: Sequence[Group]) -> list[Group]:
    """The groups that teach anything; one with fewer than two trajectories never does."""
    return [group for group in groups if has_signal(group.scored()[1])]


class Gathering:
    """Groups with signal, gathered draw by draw until a batch is full.

    Nothing is updated while groups wait, so that they stay on-policy (Yu et al., "DAPO", dynamic
    sampling; the paper's released code does the same).

    Args:
        max_draws: draws after which the batch is taken as it is; 1 never waits.
    """

    def __init__(self, max_draws: int) -> None:
        self._max_draws = max_draws
        self._draws = 0
        self.waiting: list[Group] = []

    def add(self, groups: Sequence[Group], wanted: int, last: bool) -> tuple[list[Group], int]:
        """Add the groups of one draw.

        Args:
            groups: those with signal.
            wanted: how many make a full batch.
            last: no other draw will follow.

        Returns:
            The groups to train on, none while more are awaited; and how many were too many.
        """
        self.waiting += groups
        self._draws += 1
        if len(self.waiting) < wanted and self._draws < self._max_draws and not last:
            return [], 0
        gathered, self.waiting, self._draws = self.waiting, [], 0
        return gathered[:wanted], max(len(gathered) - wanted, 0)
