"""Rewards that give a value for each turn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.types import Group

TurnScores = list[list[float] | None]


class TurnReward(Reward):
    """A part of the reward with a value for each turn, such as what a look was worth.

    In the sum a trajectory has the sum of its turns. ``training.TurnAdvantages`` credits each
    turn's tokens with its own.
    """

    @abstractmethod
    def score_turns(self, group: Group, parts: Mapping[str, Scores]) -> TurnScores:
        """Return one list for each trajectory of the group, with a finite number for each of its
        turns; ``None`` as of ``score``. Arguments are those of ``score``."""

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return summed(self.score_turns(group, parts))


def summed(turns: TurnScores) -> Scores:
    """The sum of each trajectory."""
    return [None if values is None else float(sum(values)) for values in turns]
