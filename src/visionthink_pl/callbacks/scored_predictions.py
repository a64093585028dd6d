"""Accuracy of predictions, where there is a ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from visionthink_pl.rewards import Reward
from visionthink_pl.rewards.base import Scores
from visionthink_pl.types import Group, Trajectory, VQASample
from visionthink_pl.types.memory import JUDGE_REMEDY, memory_for


class PredictedAccuracy(Reward):
    """A reward for accuracy that is asked only about samples with a ground truth.

    Args:
        reward: that is asked; it is set up with the first such sample, so that a judge's key is
            not needed without one.
    """

    name = "accuracy"

    def __init__(self, reward: Reward) -> None:
        super().__init__()
        self._reward, self._ready = reward, False

    def expect(self, samples: Sequence[VQASample]) -> None:
        """Set up the reward, once, where one of the samples has a truth.

        Raises:
            ConfigError: what it needs isn't there.
        """
        if self._ready or not any(map(has_truth, samples)):
            return
        with memory_for("loading", "the rewards' own models", [JUDGE_REMEDY]):
            self._reward.setup()
        self._ready = True

    def begin(self, sample: VQASample, trajectory: Trajectory) -> None:
        if has_truth(sample):
            self._reward.begin(sample, trajectory)

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        if not has_truth(group.sample):
            return [None] * len(group.trajectories)
        return self._reward.score(group, parts)

    def finish(self) -> None:
        self._reward.finish()


def has_truth(sample: VQASample) -> bool:
    """Whether a sample has a ground truth; prediction can do without."""
    return any(text.strip() for text in sample.answers)
