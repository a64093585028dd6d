"""Accuracy by a judge, alone or behind the rules (R_accuracy of the paper's Eq. 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from lightning.pytorch.utilities import rank_zero_warn

from visionthink_pl.rewards.accuracy import Units, checked, matches_any
from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.rewards.judge.base import Case, Judge, JudgeFailure
from visionthink_pl.rewards.rules.text import normalise
from visionthink_pl.types import Group, RunStopped, Trajectory, VQASample
from visionthink_pl.types.limits import FiniteFloat, Share, limited

# Where answers are compared by rules, one after the other, while trajectories are generated.
COMPARING = ThreadPoolExecutor(1, "rules")
Value = TypeVar("Value")


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

    @limited()
    def __init__(
        self, judge: Judge, max_failure_rate: Share = 0.1, weight: FiniteFloat = 1.0
    ) -> None:
        super().__init__(weight)
        self._judge, self._max_failure_rate = judge, max_failure_rate
        self._asked: dict[int, Future[Future[int]]] = {}  # when handed in, and its verdict
        self._scored, self._failures = 0, list[str]()

    def setup(self) -> None:
        self._judge.setup()
        self._asked.clear()  # of a run before this one
        self._scored, self._failures = 0, []

    def begin(self, sample: VQASample, trajectory: Trajectory) -> None:
        """Submit the answer to the judge, unless its verdict is known."""
        answer = (trajectory.answer or "").strip()
        case = Case(sample.question, sample.answer, answer, sample.other_answers)
        self._asked[id(trajectory)] = self.hand_in(case)

    def hand_in(self, case: Case) -> Future[Future[int]]:
        """Ask for the verdict, and return at once."""
        return _done(self.verdict(case))

    def verdict(self, case: Case) -> Future[int]:
        """The judge's verdict; 0 at once for no answer, or one that repeats the question."""
        return _done(0) if _says_nothing(case) else self._judge.submit(case)

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        begun = all(id(trajectory) in self._asked for trajectory in group.trajectories)
        if not begun:
            for trajectory in group.trajectories:
                self.begin(group.sample, trajectory)
        wait(self._asked.values())
        self._judge.flush()
        return [self._score(trajectory, begun) for trajectory in group.trajectories]

    def _score(self, trajectory: Trajectory, begun: bool) -> float | None:
        self._scored += 1
        try:
            return float(self._asked.pop(id(trajectory)).result().result())
        except JudgeFailure as failure:
            self._failures.append(str(failure))
        if begun:  # the whole batch has: no need to wait for what can't change the outcome
            self._stop_if_too_many(of=self._scored + len(self._asked))
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

    Rules can take seconds: they are asked on a thread of their own, about equal answers once.

    Args:
        judge: who decides where the rules can't say yes.
        max_failure_rate: share of a batch's trajectories, rounded up to a whole one, that may be
            left without a verdict; with more the run stops.
        weight: factor of this part in the sum.
        units: as of ``RuleAccuracy``: what the rules say where one side lacks a unit.
    """

    @limited()
    def __init__(
        self,
        judge: Judge,
        max_failure_rate: Share = 0.1,
        weight: FiniteFloat = 1.0,
        units: Units = "optional",
    ) -> None:
        super().__init__(judge, max_failure_rate, weight)
        self._units = checked(units, type(self).__name__)

    def hand_in(self, case: Case) -> Future[Future[int]]:
        return COMPARING.submit(self.verdict, case)

    def verdict(self, case: Case) -> Future[int]:
        if not _says_nothing(case) and matches_any(case.answer, case.truths, self._units):
            return _done(1)
        return super().verdict(case)


def _says_nothing(case: Case) -> bool:
    return not case.answer or normalise(case.answer) == normalise(case.question)


def _done(value: Value) -> Future[Value]:
    future: Future[Value] = Future()
    future.set_result(value)
    return future
