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

# Compares answers by rules, one after the other, while trajectories are generated.
RULES_THREAD = ThreadPoolExecutor(1, "rules")
Value = TypeVar("Value")


class JudgeAccuracy(Reward):
    """1 or 0 by the judge's verdict on the extracted answer.

    A missing or empty answer, and one that only repeats the question, scores 0 without a request.
    If the judge fails, there is no score and the trajectory leaves its group.

    Args:
        judge: decides whether an answer is right.
        max_failure_rate: share of a batch's trajectories, rounded up to a whole number, that may
            have no verdict; with more the run stops.
        weight: factor of this part in the sum.
    """

    name = "accuracy"

    @limited()
    def __init__(
        self, judge: Judge, max_failure_rate: Share = 0.1, weight: FiniteFloat = 1.0
    ) -> None:
        super().__init__(weight)
        self._judge, self._max_failure_rate = judge, max_failure_rate
        self.longest_wait_s = judge.longest_wait_s
        # By id() of a trajectory: done once its case is submitted, with a future of the verdict.
        self._asked: dict[int, Future[Future[int]]] = {}
        self._scored, self._failures = 0, list[str]()

    def setup(self) -> None:
        self._judge.setup()
        self._asked.clear()  # remains of an earlier run
        self._scored, self._failures = 0, []

    def begin(self, sample: VQASample, trajectory: Trajectory) -> None:
        """Submit the answer to the judge, unless its verdict is known."""
        answer = (trajectory.answer or "").strip()
        case = Case(sample.question, sample.answer, answer, sample.other_answers)
        self._asked[id(trajectory)] = self.request(case)

    def request(self, case: Case) -> Future[Future[int]]:
        """Request the verdict, and return at once."""
        return _done(self.verdict(case))

    def verdict(self, case: Case) -> Future[int]:
        """The judge's verdict; 0 at once for a missing answer or one that repeats the question."""
        return _done(0) if _is_no_answer(case) else self._judge.submit(case)

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
        if begun:  # of the whole batch: the run can stop before all verdicts are there
            self._stop_if_too_many(of=self._scored + len(self._asked))
        return None

    def finish(self) -> None:
        """Warn about trajectories without a verdict.

        Raises:
            RunStopped: there are too many of them.
        """
        self._stop_if_too_many(of=self._scored)
        if self._failures:
            rank_zero_warn(self._message(self._scored) + "; they leave their groups")
        self._scored, self._failures = 0, []
        self._asked.clear()  # of a batch that was given up: ids of objects come again

    def _stop_if_too_many(self, of: int) -> None:
        if len(self._failures) > math.ceil(self._max_failure_rate * of):
            raise RunStopped(self._message(of))

    def _message(self, of: int) -> str:
        failures = self._failures
        return f"the judge gave no verdict on {len(failures)} of {of} trajectories: {failures[-1]}"


class HybridAccuracy(JudgeAccuracy):
    """1 if the rules accept the answer; otherwise the judge decides.

    Rules can take seconds. They run on a separate thread, and once for equal answers.

    Args:
        judge: decides on answers that the rules do not accept.
        max_failure_rate: share of a batch's trajectories, rounded up to a whole number, that may
            have no verdict; with more the run stops.
        weight: factor of this part in the sum.
        units: see ``RuleAccuracy``: whether the rules accept a missing unit.
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

    def request(self, case: Case) -> Future[Future[int]]:
        return RULES_THREAD.submit(self.verdict, case)

    def verdict(self, case: Case) -> Future[int]:
        if not _is_no_answer(case) and matches_any(case.answer, case.truths, self._units):
            return _done(1)
        return super().verdict(case)


def _is_no_answer(case: Case) -> bool:
    """Whether the answer is empty or repeats the question."""
    return not case.answer or normalise(case.answer) == normalise(case.question)


def _done(value: Value) -> Future[Value]:
    future: Future[Value] = Future()
    future.set_result(value)
    return future
