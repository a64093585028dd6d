"""The penalty that prevents the policy from always or never calling the tool (paper, Eq. 5, 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.rewards.rarity import Rarity
from visionthink_pl.types import Group, Trajectory, VQASample
from visionthink_pl.types.limits import FiniteFloat, NonNegativeFloat, Share, limited

ACCURACY = "accuracy"  # the name of the part that says which trajectories are correct


@dataclass(frozen=True)
class GroupCounts:
    """How many trajectories are direct and high, and how many of each are correct."""

    direct: int
    high: int
    correct_direct: int
    correct_high: int


class ResizePenalty(Reward):
    """Penalises, in each group, the choice that did worse among its trajectories.

    ``measure: share`` is exactly Eq. 5: with r the share of direct answers among the correct
    trajectories, direct answers are penalised if r < theta, and calls otherwise. This share depends
    on how often the policy calls the tool, so training may end at always or at never calling it.
    ``measure: accuracy`` compares accuracies instead: direct answers are penalised if the group has
    both choices and a_direct < margin * a_high, and calls otherwise. With either measure there is
    no penalty in a group without a correct trajectory.

    Args:
        measure: ``share`` (Eq. 5) or ``accuracy``.
        theta: for ``share``: threshold on the share of direct answers among the correct ones; 0
            penalises every call in groups with a correct answer.
        margin: for ``accuracy``: fraction of the accuracy of high trajectories that direct answers
            must reach.
        penalty: the penalty, in units of reward; 0 switches it off.
        applies_to: ``all`` penalises every trajectory with the worse choice, as in Eq. 5;
            ``correct`` only the correct ones among them. The counts are the same.
        fades_below: a choice that fewer of a batch's trajectories made, as a share of them, is
            penalised in proportion to how many did, so that it does not die out before the policy
            has learned where it is of use. 0 penalises in full. With ``model.normalisation: std``,
            ``model.std_floor`` must then be about ``penalty / sqrt(group_size)``, or the std of a
            group in which one alone pays makes up for it.
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
        fades_below: Share = 0.0,
        weight: FiniteFloat = 1.0,
    ) -> None:
        super().__init__(weight)
        self._measure, self._theta, self._margin = measure, theta, margin
        self._penalty, self._applies_to = penalty, applies_to
        self._rarity = Rarity(fades_below)

    def begin(self, sample: VQASample, trajectory: Trajectory) -> None:
        self._rarity.see(choice_of(trajectory))

    def finish(self) -> None:
        self._rarity.forget()

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        """Return minus the penalty, or 0, for each trajectory.

        A trajectory that another part could not score has left the group and is not counted.
        """
        unscored = [None in values for values in zip(*parts.values(), strict=True)]
        accuracy: Scores = [
            None if missing else value
            for missing, value in zip(unscored, parts[ACCURACY], strict=True)
        ]
        penalised = self.penalised_choice(count(group, accuracy))
        scores: Scores = []
        for trajectory, correct in zip(group.trajectories, accuracy, strict=True):
            chose = penalised is not None and choice_of(trajectory) == penalised
            pays = chose and (self._applies_to == "all" or correct == 1)
            price = self._penalty * self._rarity.factor(penalised) if pays else 0.0
            scores.append(None if correct is None else -price)
        return scores

    def penalised_choice(self, counts: GroupCounts) -> Literal["direct", "high"] | None:
        """The choice that is penalised in a group with these counts; ``None`` for neither."""
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


def choice_of(trajectory: Trajectory) -> Literal["direct", "high"] | None:
    """What a trajectory chose; ``None`` where it could not choose, or ended without either."""
    return "high" if trajectory.high else "direct" if trajectory.direct else None


def count(group: Group, accuracy: Scores) -> GroupCounts:
    """Count the group's choices. A trajectory is correct if its accuracy part is 1."""
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
