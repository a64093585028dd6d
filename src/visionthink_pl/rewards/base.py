"""A reward scores a whole group, since the resize penalty is a property of the group."""

from __future__ import annotations

import reprlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from visionthink_pl.types import Group, RunStopped, Trajectory, VQASample
from visionthink_pl.types.limits import FiniteFloat, limited

LARGEST = 3.4e38  # what float32 holds, in which advantages are computed

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


def score_group(group: Group, rewards: Sequence[Reward]) -> None:
    """Fill ``group.parts`` and ``group.rewards``, the weighted sum (paper, Eq. 4).

    Rewards that need others come last, so that they know of every trajectory that has left the
    group because some part could not be computed.

    Raises:
        RunStopped: a reward returned something other than its scores.
    """
    for reward in sorted(rewards, key=lambda reward: bool(reward.needs)):
        group.parts[reward.name] = _checked(reward, group, reward.score(group, group.parts))
    group.rewards = [
        _weighted_sum([group.parts[reward.name][i] for reward in rewards], rewards)
        for i in range(len(group.trajectories))
    ]


def score_groups(groups: Sequence[Group], rewards: Sequence[Reward]) -> None:
    """Score all groups of a batch.

    Raises:
        RunStopped: a reward could not score enough of them, or returned something else.
    """
    for group in groups:
        score_group(group, rewards)
    for reward in rewards:
        reward.finish()


def _checked(reward: Reward, group: Group, scores: object) -> Scores:
    """What a reward returned, if it is one score for each trajectory.

    Raises:
        RunStopped: it is not. What was learnt before is worth the checkpoint that this error
            leaves, and it ends all ranks together.
    """
    returned, count = f"{type(reward).__name__}.score returned", len(group.trajectories)
    if not isinstance(scores, list) or len(scores) != count:
        many = f"a list of {len(scores)}" if isinstance(scores, list) else type(scores).__name__
        raise RunStopped(
            f"{returned} {many} for {count} trajectories of sample {group.sample.id!r}; return a "
            "list of one score for each trajectory, in their order"
        )
    for place, score in enumerate(scores, start=1):
        if score is not None and not _is_finite(score):
            raise RunStopped(
                f"{returned} {reprlib.repr(score)} for trajectory {place} of {count} of sample "
                f"{group.sample.id!r}; a score is a number that is finite in float32, or None "
                "where it could not be computed"
            )
    return scores


def _is_finite(score: object) -> bool:
    return isinstance(score, (int, float)) and abs(score) <= LARGEST  # which nan is not


def _weighted_sum(values: Scores, rewards: Sequence[Reward]) -> float | None:
    total = 0.0
    for value, reward in zip(values, rewards, strict=True):
        if value is None:
            return None
        total += reward.weight * value
    return total
