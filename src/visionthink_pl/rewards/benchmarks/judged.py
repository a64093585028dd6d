"""Benchmarks whose answers a judge reads."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark
from visionthink_pl.rewards.judge import Case, Instruction, Judge, JudgeFailure
from visionthink_pl.types import RunStopped
from visionthink_pl.types.limits import Share, limited


class Judged(Benchmark):
    """A benchmark of which a judge grades every answer. An empty answer is 0 without a request.

    Args:
        judge: grades the answers, by the benchmark's own instruction.
        max_failure_rate: share of a batch's answers, rounded up to a whole number, that may go
            without a grade; with more the run stops.

    Attributes:
        instruction: what the judge is asked for.
    """

    instruction: ClassVar[Instruction]

    @limited()
    def __init__(self, judge: Judge, max_failure_rate: Share = 0.1) -> None:
        judge.instruct(self.instruction)
        self._judge, self._max_failure_rate = judge, max_failure_rate

    def setup(self) -> None:
        self._judge.setup()

    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        cases = [self.case(each) for each in answered if each.answer.strip()]
        grades = iter(ask(self._judge, cases, self._max_failure_rate))
        return [next(grades) if each.answer.strip() else 0.0 for each in answered]

    @abstractmethod
    def case(self, answered: Answered) -> Case:
        """What the judge is shown."""


def ask(judge: Judge, cases: Sequence[Case], max_failure_rate: float) -> list[Any]:
    """What a judge says of each case; ``None`` where it failed.

    Args:
        judge: set up.
        cases: of a batch.
        max_failure_rate: share of them, rounded up to a whole number, on which it may fail.

    Raises:
        RunStopped: it failed on more.
    """
    futures = [judge.submit(case) for case in cases]
    judge.flush()
    out: list[Any] = []
    failures: list[str] = []
    for future in futures:
        try:
            out.append(future.result())
        except JudgeFailure as failure:
            out.append(None)
            failures.append(str(failure))
    if len(failures) > math.ceil(max_failure_rate * len(cases)):
        raise RunStopped(
            f"the judge gave no verdict on {len(failures)} of {len(cases)} answers: {failures[-1]}"
        )
    return out
