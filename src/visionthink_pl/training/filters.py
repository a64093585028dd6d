"""Which trajectories leave their group before advantages are computed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

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
    """Leaves out trajectories that ran out of tokens, in a turn or in all, or of turns, which
    neither teach nor count in the mean (Yu et al., "DAPO", overlong filtering; of turns Lai et al.,
    "Mini-o3").

    Args:
        turns: whether those that ran out of turns are left out, too.
    """

    def __init__(self, turns: bool = False) -> None:
        self._over = {StopReason.OUT_OF_TOKENS, StopReason.OUT_OF_LENGTH} | (
            {StopReason.OUT_OF_TURNS} if turns else set()
        )

    def keeps(self, group: Group) -> list[bool]:
        return [row.stop not in self._over for row in group.trajectories]


def filter_group(group: Group, filters: Sequence[Filter]) -> Group:
    """The group without what has no reward and without what any filter drops."""
    kept = [reward is not None for reward in group.rewards]
    for one in filters:
        kept = [a and b for a, b in zip(kept, one.keeps(group), strict=True)]
    return group.only(kept)
