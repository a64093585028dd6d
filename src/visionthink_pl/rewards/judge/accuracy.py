"""Accuracy by a judge, alone or behind the rules (R_accuracy of the paper's Eq. 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future

from lightning.pytorch.utilities import rank_zero_warn

from visionthink_pl.rewards.accuracy import Units, checked, matches
from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.rewards.judge.base import Case, Judge, JudgeFailure
from visionthink_pl.rewards.rules.text import normalise
from visionthink_pl.types import ConfigError, Group, RunStopped, Trajectory, VQASample


class JudgeAccuracy(Reward):
    """1 or 0 by the judge's verdict on the extracted answer.

    No answer, an empty one, and one that only repeats the question score 0 and are not asked
    about. Where the judge fails there is no score: the trajectory leaves its group.

    Args:
        judge: who says what is right.
        max_failure_rate: share of a batch's trajectories, rounded up to a whole one, that may be
            left without a verdict; with more the run stops.
        weight: factor of this part in the sum.
    """

    name = "accuracy"

    def __init__(self, judge: Judge, max_failure_rate: float = 0.1, weight: float = 1.0) -> None:
        super().__init__(weight)
        if not 0 <= max_failure_rate <= 1:
            raise ConfigError(
                f"{type(self).__name__}.max_failure_rate: between 0 and 1, not {max_failure_rate}"
            )
        self._judge, self._max_failure_rate = judge, max_failure_rate
        self._verdicts: dict[int, Future[int]] = {}
        self._scored, self._failures = 0, list[str]()

    def setup(self) -> None:
        self._judge.setup()
        self._verdicts.clear()  # of a run before this one
        self._scored, self._failures = 0, []

    def begin(self, sample: VQASample, trajectory: Trajectory) -> None:
        """Hand the answer to the judge, unless it is known what to think of it."""
        answer = (trajectory.answer or "").strip()
        known = self.known(sample, answer)
        if known is None:
            verdict = self._judge.submit(Case(sample.question, sample.answer, answer))
        else:
            verdict = Future()
            verdict.set_result(known)
        self._verdicts[id(trajectory)] = verdict

    def known(self, sample: VQASample, answer: str) -> int | None:
        """The verdict where no judge is needed; ``None`` where one is."""
        if not answer or normalise(answer) == normalise(sample.question):
            return 0
        return None

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        begun = all(id(trajectory) in self._verdicts for trajectory in group.trajectories)
        if not begun:
            for trajectory in group.trajectories:
                self.begin(group.sample, trajectory)
        self._judge.flush()
        return [self._score(trajectory, begun) for trajectory in group.trajectories]

    def _score(self, trajectory: Trajectory, begun: bool) -> float | None:
        self._scored += 1
        try:
            return float(self._verdicts.pop(id(trajectory)).result())
        except JudgeFailure as failure:
            self._failures.append(str(failure))
        if begun:  # the whole batch has: no need to wait for what can't change the outcome
            self._stop_if_too_many(of=self._scored + len(self._verdicts))
        return None

    def finish(self) -> None:
        """Say how many were left without a verdict; stop where they are too many.

        Raises:
            RunStopped: they are.
        """
        self._stop_if_too_many(of=self._scored)
        if self._failures:
            rank_zero_warn(self._said(self._scored) + "; they leave their groups")
        self._scored, self._failures = 0, []

    def _stop_if_too_many(self, of: int) -> None:
        if len(self._failures) > math.ceil(self._max_failure_rate * of):
            raise RunStopped(self._said(of))

    def _said(self, of: int) -> str:
        failures = self._failures
        return f"the judge gave no verdict on {len(failures)} of {of} trajectories: {failures[-1]}"


class HybridAccuracy(JudgeAccuracy):
    """1 where the rules say yes; the judge decides on all others.

    Args:
        judge: who decides where the rules can't say yes.
        max_failure_rate: share of a batch's trajectories, rounded up to a whole one, that may be
            left without a verdict; with more the run stops.
        weight: factor of this part in the sum.
        units: as of ``RuleAccuracy``: what the rules say where one side lacks a unit.
    """

    def __init__(
        self,
        judge: Judge,
        max_failure_rate: float = 0.1,
        weight: float = 1.0,
        units: Units = "optional",
    ) -> None:
        super().__init__(judge, max_failure_rate, weight)
        self._units = checked(units, type(self).__name__)

    def known(self, sample: VQASample, answer: str) -> int | None:
        known = super().known(sample, answer)
        if known is None and matches(answer, sample.answer, self._units):
            return 1
        return known
