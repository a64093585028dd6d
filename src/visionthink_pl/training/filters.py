"""Which of the scored trajectories are trained on.

Metrics count all that was sampled; what is dropped here leaves its group before advantages are
computed, as a trajectory without a reward does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from visionthink_pl.training.advantages import has_signal
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


@dataclass(frozen=True)
class Gathered:
    """What is trained on now.

    Attributes:
        groups: those of this rank.
        places: of each among those of all ranks: draw by draw, and in a draw rank by rank, which
            is the order that a single process would have them in.
        total: how many there are, over all ranks.
        surplus: how many were too many, over all ranks.
    """

    groups: list[Group] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    total: int = 0
    surplus: int = 0


class Gathering:
    """Groups with signal, gathered draw by draw until a batch is full, over all ranks.

    Nothing is updated while groups wait, so that they stay on-policy (Yu et al., "DAPO", dynamic
    sampling; the paper's released code does the same).

    Args:
        max_draws: draws after which the batch is taken as it is; 1 never waits.
    """

    def __init__(self, max_draws: int) -> None:
        self._max_draws = max_draws
        self._draws = 0
        self._own: list[tuple[int, Group]] = []  # this rank's, each with its place
        self.waiting = 0

    def add(
        self, groups: Sequence[Group], counts: Sequence[int], rank: int, wanted: int, last: bool
    ) -> Gathered:
        """Add the groups of one draw.

        Args:
            groups: those of this rank with signal.
            counts: how many each rank has.
            rank: which of them is this one.
            wanted: how many make a full batch.
            last: no other draw will follow.

        Returns:
            The groups to train on; none while more are awaited.
        """
        self._own += enumerate(groups, self.waiting + sum(counts[:rank]))
        self.waiting += sum(counts)
        self._draws += 1
        if self.waiting < wanted and self._draws < self._max_draws and not last:
            return Gathered()
        own, total = [(p, group) for p, group in self._own if p < wanted], self.waiting
        self._own, self.waiting, self._draws = [], 0, 0
        return Gathered(
            groups=[group for _, group in own],
            places=[place for place, _ in own],
            total=min(total, wanted),
            surplus=max(total - wanted, 0),
        )
