"""A judge whose replies are given."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from visionthink_pl.rewards.judge import Case, Instruction, Judge, JudgeFailure


class Replies(Judge):
    """Replies to each answer as it is told to, and fails where nothing is.

    Args:
        replies: by answer.

    Attributes:
        cases: what it was shown.
    """

    def __init__(self, replies: Mapping[str, str]) -> None:
        self._replies = replies
        self._read: Callable[[str], Any] = lambda reply: int(reply[-1])
        self.cases: list[Case] = []

    def instruct(self, instruction: Instruction) -> None:
        self._read = instruction.read

    def submit(self, case: Case) -> Future[Any]:
        self.cases.append(case)
        future: Future[Any] = Future()
        if case.answer in self._replies:
            future.set_result(self._read(self._replies[case.answer]))
        else:
            future.set_exception(JudgeFailure("no reply"))
        return future
