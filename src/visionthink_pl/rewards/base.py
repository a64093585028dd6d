"""A reward scores a whole group, since the resize penalty is a property of the group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from visionthink_pl.types import Group, Trajectory, VQASample
from visionthink_pl.types.limits import FiniteFloat, limited

Scores = list[float | None]


class Reward(ABC):
    """One part of the reward.

    Args:
        weight: factor of this part in the sum.

    Attributes:
        name: under which the part is logged, and by which later parts look it up.
        needs: names of rewards that must stand before this one in the list.
    """

    name: ClassVar[str] = ""  # to be said by each class
    needs: ClassVar[tuple[str, ...]] = ()
    weight: float = 1.0  # of classes whose constructor leaves it at that

    @limited()
    def __init__(self, weight: FiniteFloat = 1.0) -> None:
        self.weight = weight

    def setup(self) -> None:
        """Load or connect to whatever scoring needs. Called before the first batch; to call it
        again does no harm.

        Raises:
            ConfigError: it isn't there.
        """

    def begin(self, sample: VQASample, trajectory: Trajectory) -> None:
        """Called as soon as a trajectory ends, while others are still generated, and for a whole
        batch before any of it is scored: work that takes long can start here, and ``score``
        collect it."""

    @abstractmethod
    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        """Return one value for each trajectory of the group.

        Args:
            group: the sample and its trajectories.
            parts: the unweighted values of the rewards that were scored before this one: those
                that it needs, and all that stand before it and need nothing themselves.

        Returns:
            A list of a finite number for each trajectory, in their order, ``None`` where it could
            not be computed: such a trajectory leaves its group, and is never a zero. Anything
            else stops the run.
        """

    def finish(self) -> None:
        """Called when all groups of a batch have been scored.

        Raises:
            RunStopped: too few could be for the run to go on.
        """
