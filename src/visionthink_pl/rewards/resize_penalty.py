"""The penalty that keeps the policy from always or never asking (paper, Eq. 5 and 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.types import Group
from visionthink_pl.types.limits import FiniteFloat, NonNegativeFloat, Share, limited

ACCURACY = "accuracy"  # the name of the part that says who was correct


@dataclass(frozen=True)
class GroupCounts:
    """How many answered directly and how many saw the full image, and who of them was correct."""

    direct: int
    high: int
    correct_direct: int
    correct_high: int


class ResizePenalty(Reward):
    """Penalises, in each group, the choice that its own trajectories show to be the worse one.

    ``measure: share`` is Eq. 5 to the letter: with r the share of direct answers among the
    correct trajectories, direct answers are penalised where r < theta and calls otherwise. That
    share moves with how often the policy asks, so that always and never asking both attract.
    ``measure: accuracy`` compares accuracies instead: direct answers are penalised where both
    choices were seen and a_direct < margin * a_high, calls otherwise. Under either measure
    nobody is penalised where nobody was correct.

    Args:
        measure: ``share`` (Eq. 5) or ``accuracy``.
        theta: threshold on the share of direct answers among the correct, for ``share``; 0
            penalises every call in groups with a correct answer.
        margin: fraction of the accuracy after a second look that direct answers must reach, for
            ``accuracy``.
        penalty: what is taken off, in units of reward; 0 switches the penalty off.
        applies_to: ``all`` penalises every trajectory that made the choice, as Eq. 5 says;
            ``correct`` only those that were right. The counts are the same.
        weight: factor of this part in the sum.
    """

    name = "resize_penalty"
    needs = (ACCURACY,)

    @limited()
    def __init__(
        self,
        measure: Literal["share", "accuracy"] = "share",
        theta: Share = 0.2,
        margin: NonNegativeFloat = 0.5,
        penalty: NonNegativeFloat = 0.1,
        applies_to: Literal["all", "correct"] = "all",
        weight: FiniteFloat = 1.0,
    ) -> None:
        super().__init__(weight)
        self._measure, self._theta, self._margin = measure, theta, margin
        self._penalty, self._applies_to = penalty, applies_to

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        """Return minus the penalty, or 0, for each trajectory.

        A trajectory that another part could not score has left the group: it is not counted.
        """
        left = [None in values for values in zip(*parts.values(), strict=True)]
        accuracy: Scores = [
            None if gone else value for gone, value in zip(left, parts[ACCURACY], strict=True)
        ]
        penalised = self.penalised_choice(count(group, accuracy))
        scores: Scores = []
        for trajectory, correct in zip(group.trajectories, accuracy, strict=True):
            chose = (penalised == "direct" and trajectory.direct) or (
                penalised == "high" and trajectory.high
            )
            hit = chose and (self._applies_to == "all" or correct == 1)
            scores.append(None if correct is None else -self._penalty if hit else 0.0)
        return scores

    def penalised_choice(self, counts: GroupCounts) -> Literal["direct", "high"] | None:
        """Which choice a group with these counts penalises; ``None`` for neither."""
        correct = counts.correct_direct + counts.correct_high
        if correct == 0:
            return None
        if self._measure == "share":
            return "direct" if counts.correct_direct / correct < self._theta else "high"
        if counts.direct == 0 or counts.high == 0:
            return "high"
        accuracy_direct = counts.correct_direct / counts.direct
        accuracy_high = counts.correct_high / counts.high
        return "direct" if accuracy_direct < self._margin * accuracy_high else "high"


def count(group: Group, accuracy: Scores) -> GroupCounts:
    """Count the group's choices; a trajectory is correct where its accuracy part is 1."""
    known = [
        (trajectory, correct == 1)
        for trajectory, correct in zip(group.trajectories, accuracy, strict=True)
        if correct is not None
    ]
    return GroupCounts(
        direct=sum(t.direct for t, _ in known),
        high=sum(t.high for t, _ in known),
        correct_direct=sum(t.direct and correct for t, correct in known),
        correct_high=sum(t.high and correct for t, correct in known),
    )
