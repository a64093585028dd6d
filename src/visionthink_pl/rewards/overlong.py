"""A soft penalty for long responses (Yu et al., "DAPO")."""

from __future__ import annotations

from collections.abc import Mapping

from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.types import Group
from visionthink_pl.types.limits import (
    FiniteFloat,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    limited,
)


class OverlongPenalty(Reward):
    """0 up to ``free_tokens`` generated tokens in all turns. Over the next ``buffer_tokens`` it
    falls linearly to ``-penalty``, where it stays (Yu et al., "DAPO", Eq. 13).

    Args:
        free_tokens: generated tokens without a penalty.
        buffer_tokens: tokens over which the penalty grows.
        penalty: largest penalty, in units of reward.
        weight: factor of this part in the sum.
    """

    name = "overlong_penalty"

    @limited()
    def __init__(
        self,
        free_tokens: NonNegativeInt,
        buffer_tokens: PositiveInt,
        penalty: NonNegativeFloat = 1.0,
        weight: FiniteFloat = 1.0,
    ) -> None:
        super().__init__(weight)
        self._free, self._buffer, self._penalty = free_tokens, buffer_tokens, penalty

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        over = [max(row.response_tokens - self._free, 0) for row in group.trajectories]
        return [-self._penalty * min(tokens / self._buffer, 1.0) for tokens in over]
