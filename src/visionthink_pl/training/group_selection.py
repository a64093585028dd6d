"""Which groups of a draw are trained on, and when.

Metrics count all that was sampled. What is dropped here leaves its group before advantages are
computed, as a trajectory without a reward does.
"""

from __future__ import annotations

from collections.abc import Sequence

from visionthink_pl.training.advantages import has_signal
from visionthink_pl.training.filters import Filter, filter_group
from visionthink_pl.training.ranks import gathered, own_rank
from visionthink_pl.types import Group, Kept, RolloutBatch


class GroupSelection:
    """Filters groups, leaves out those without signal, and gathers the others over draws.

    Args:
        filters: what is left out of each group.
        max_draws: draws after which a batch is taken as it is; 1 never waits.
    """

    def __init__(self, filters: Sequence[Filter], max_draws: int) -> None:
        self._filters, self._gathering = filters, Gathering(max_draws)

    @property
    def waiting(self) -> int:
        """How many groups wait for more draws, over all ranks."""
        return self._gathering.waiting

    def select(self, rollouts: RolloutBatch, prompts: int, last: bool) -> None:
        """Fill ``filtered``, ``signal`` and ``kept`` of one draw; all ranks must ask.

        Args:
            rollouts: what was sampled and scored.
            prompts: that were drawn for it on this rank, bad rows among them.
            last: no other draw will follow.
        """
        rollouts.filtered = [filter_group(group, self._filters) for group in rollouts.groups]
        rollouts.signal = [has_signal(group.scored()[1]) for group in rollouts.filtered]
        pairs = zip(rollouts.filtered, rollouts.signal, strict=True)
        own = [group for group, signal in pairs if signal]
        counts, wanted = zip(*gathered((len(own), prompts)), strict=True)
        rollouts.kept = self._gathering.add(own, counts, own_rank(), sum(wanted), last)


class Gathering:
    """Groups with signal, gathered draw by draw until a batch is full, over all ranks.

    No optimizer step is taken while groups wait, so that they stay on-policy (Yu et al., "DAPO",
    dynamic sampling; the paper's released code does the same).

    Args:
        max_draws: as of ``GroupSelection``.
    """

    def __init__(self, max_draws: int) -> None:
        self._max_draws = max_draws
        self._draws = 0
        self._own: list[tuple[int, Group]] = []  # this rank's, each with its index over all ranks
        self.waiting = 0

    def add(
        self, groups: Sequence[Group], counts: Sequence[int], rank: int, wanted: int, last: bool
    ) -> Kept:
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
            return Kept(waiting=self.waiting)
        own, total = [(i, group) for i, group in self._own if i < wanted], self.waiting
        self._own, self.waiting, self._draws = [], 0, 0
        return Kept(
            groups=[group for _, group in own],
            indices=[index for index, _ in own],
            total=min(total, wanted),
            surplus=max(total - wanted, 0),
        )
