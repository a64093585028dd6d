"""A price for looks that show more than those of the group that were enough."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean

from visionthink_pl.rewards.base import Scores
from visionthink_pl.rewards.resize_penalty import ACCURACY
from visionthink_pl.rewards.turn_reward import TurnReward, TurnScores
from visionthink_pl.types import Group
from visionthink_pl.types.limits import FiniteFloat, NonNegativeFloat, limited


class LookSizePenalty(TurnReward):
    """A turn whose call showed something pays ``penalty * clip(tokens / mean - 1, 0, 1)``, where
    ``mean`` are the visual tokens of such turns in the group's correct trajectories (after
    AdaptVision, arXiv 2512.03794, which compares areas of boxes). Without any nobody pays.

    Args:
        penalty: the most that a turn pays, in units of reward.
        weight: factor of this part in the sum.
    """

    name = "look_size"
    needs = (ACCURACY,)

    @limited()
    def __init__(self, penalty: NonNegativeFloat = 0.2, weight: FiniteFloat = 1.0) -> None:
        super().__init__(weight)
        self._penalty = penalty

    def score_turns(self, group: Group, parts: Mapping[str, Scores]) -> TurnScores:
        correct = parts[ACCURACY]
        looks = [
            turn.visual_tokens
            for trajectory, right in zip(group.trajectories, correct, strict=True)
            for turn in trajectory.turns
            if right == 1 and turn.shown
        ]
        usual = mean(looks) if looks else 0
        return [
            None
            if right is None
            else [self._price(turn.visual_tokens, usual) for turn in trajectory.turns]
            for trajectory, right in zip(group.trajectories, correct, strict=True)
        ]

    def _price(self, tokens: int, usual: float) -> float:
        over = tokens / usual - 1 if usual else 0.0
        return -self._penalty * min(max(over, 0.0), 1.0)
