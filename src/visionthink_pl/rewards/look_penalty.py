"""A price for looks of any kind: what lies beyond the cheapest look that suffices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.rewards.rarity import Rarity
from visionthink_pl.rewards.resize_penalty import ACCURACY
from visionthink_pl.types import Group, Trajectory, VQASample
from visionthink_pl.types.limits import FiniteFloat, NonNegativeFloat, Share, limited


class LookPenalty(Reward):
    """Compares, in each group, accuracies by cost level, and penalises what is below the cheapest
    level that suffices, and what is shown beyond it.

    A direct answer is at level 0. With ``by: tokens``, a trajectory that looked again is at level
    ``round(log2(visual tokens / those of the first look))``, at least 1; with ``by: looks``, at the
    number of its looks. Of the levels in a group, the lowest one suffices whose accuracy is at
    least ``margin`` times the best level's. A trajectory below that level pays ``penalty``: it was
    right by luck, or wrong. One at that level or above pays ``penalty * min(1, extra / full)``:
    ``full`` are the visual tokens of one look at all of the sample, and ``extra`` its own beyond
    the fewest at the level that suffices, or beyond the first look where nobody answered from that.
    In a group without a correct trajectory nobody pays.

    With two levels, a direct answer and a full look, this is ``ResizePenalty`` with
    ``measure: accuracy``. A level with few trajectories is noise: with more than three levels and
    groups of 8, ``by: looks`` tells fewer apart.

    Args:
        by: what makes a level: ``tokens`` or ``looks``.
        margin: share of the best level's accuracy that suffices.
        penalty: the most that is paid, in units of reward; 0 switches it off.
        fades_below: as of ``ResizePenalty``; a choice is a level here.
        weight: factor of this part in the sum.
    """

    name = "look_penalty"
    needs = (ACCURACY,)

    @limited()
    def __init__(
        self,
        by: Literal["tokens", "looks"] = "tokens",
        margin: Share = 0.5,
        penalty: NonNegativeFloat = 0.1,
        fades_below: Share = 0.0,
        weight: FiniteFloat = 1.0,
    ) -> None:
        super().__init__(weight)
        self._by, self._margin, self._penalty = by, margin, penalty
        self._rarity = Rarity(fades_below)

    def begin(self, sample: VQASample, trajectory: Trajectory) -> None:
        self._rarity.see(self.level(trajectory))

    def finish(self) -> None:
        self._rarity.forget()

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        """Return minus what each trajectory pays, or 0. One that another part could not score has
        left the group and is not counted; one that neither looked nor answered pays nothing."""
        unscored = [None in values for values in zip(*parts.values(), strict=True)]
        correct: Scores = [
            None if missing else value
            for missing, value in zip(unscored, parts[ACCURACY], strict=True)
        ]
        levels = [self.level(trajectory) for trajectory in group.trajectories]
        known = [
            (level, trajectory.visual_tokens, value == 1)
            for level, trajectory, value in zip(levels, group.trajectories, correct, strict=True)
            if level is not None and value is not None
        ]
        if not any(right for *_, right in known):
            return [None if value is None else 0.0 for value in correct]
        enough = self._enough(known)
        at = enough if any(level == 0 for level, *_ in known) else None
        base = min((tokens for level, tokens, _ in known if level == at), default=None)
        return [
            None if value is None else self._price(level, enough, trajectory, base, group)
            for level, value, trajectory in zip(levels, correct, group.trajectories, strict=True)
        ]

    def level(self, trajectory: Trajectory) -> int | None:
        """Of a trajectory; ``None`` where it neither looked nor could have and answered."""
        if not trajectory.high:
            return 0 if trajectory.direct else None
        if self._by == "looks":
            return trajectory.looks
        times = max(trajectory.visual_tokens, 1) / max(trajectory.first_look_tokens, 1)
        return max(round(math.log2(times)), 1)

    def _enough(self, known: list[tuple[int, int, bool]]) -> int:
        """The lowest level that suffices."""
        rights: dict[int, list[bool]] = {}
        for level, _, right in known:
            rights.setdefault(level, []).append(right)
        accuracy = {level: sum(values) / len(values) for level, values in rights.items()}
        best = max(accuracy.values())
        return min(level for level, value in accuracy.items() if value >= self._margin * best)

    def _price(
        self,
        level: int | None,
        enough: int,
        trajectory: Trajectory,
        base: int | None,
        group: Group,
    ) -> float:
        if level is None:
            return 0.0
        penalty = self._penalty * self._rarity.factor(level)
        if level < enough:
            return -penalty
        before = trajectory.first_look_tokens if base is None else base
        extra = max(trajectory.visual_tokens - before, 0)
        return -penalty * min(1.0, extra / group.full_look_tokens)
