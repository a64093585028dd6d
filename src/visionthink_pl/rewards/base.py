"""The interface of a reward. It scores whole groups, since the resize penalty is about a group."""

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
        name: under which the part is logged and passed to later parts.
        needs: names of rewards that must come before this one in the list.
        longest_wait_s: seconds that scoring may wait for something that is down.
    """

    name: ClassVar[str] = ""  # set by each class
    needs: ClassVar[tuple[str, ...]] = ()
    longest_wait_s: float = 0.0
    weight: float = 1.0  # for classes whose constructor does not set it

    @limited()
    def __init__(self, weight: FiniteFloat = 1.0) -> None:
        self.weight = weight

    def setup(self) -> None:
        """Load or connect to what scoring needs. Called before the first batch. It may be called
        again.

        Raises:
            ConfigError: something that is needed is missing.
        """

    def begin(self, sample: VQASample, trajectory: Trajectory) -> None:
        """Called as soon as a trajectory ends, while others are still generated, and for all
        trajectories of a batch before the first one is scored. Work that takes long can start here;
        ``score`` then collects its results."""

    @abstractmethod
    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        """Return one value for each trajectory of the group.

        Args:
            group: the sample and its trajectories.
            parts: the unweighted values of the rewards that were scored before this one: those
                that it needs, and those that come before it and need nothing themselves.

        Returns:
            A list with a finite number for each trajectory, in their order. ``None`` stands for a
            value that could not be computed: the trajectory leaves its group, and is never scored
            0. Any other result stops the run.
        """

    def finish(self) -> None:
        """Called when all groups of a batch have been scored.

        Raises:
            RunStopped: too few of them could be scored for the run to continue.
        """
