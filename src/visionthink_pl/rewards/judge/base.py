"""The interface of a judge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A question, its ground truths and an answer, as text (paper, Sec. 3.4).

    Attributes:
        question: the user's, without prompt or tool instructions.
        truth: the ground truth; of several, the first.
        answer: the trajectory's answer, extracted from its last turn.
        other_truths: further ground truths, each of which is right.
    """

    question: str
    truth: str
    answer: str
    other_truths: tuple[str, ...] = ()

    @property
    def truths(self) -> tuple[str, ...]:
        """All ground truths, ``truth`` first."""
        return (self.truth, *self.other_truths)


class JudgeFailure(Exception):
    """There is no verdict. The message says why and does not contain the API key."""


class Judge(ABC):
    """Decides whether an answer is right."""

    def setup(self) -> None:
        """Connect or load. Called before the first case. It may be called again.

        Raises:
            ConfigError: something that the judge needs is missing.
        """

    @abstractmethod
    def submit(self, case: Case) -> Future[int]:
        """Submit a case and return at once. Calls come from one thread. It may be another thread
        than that of ``flush``, but the two never run at the same time.

        Returns:
            A future with 1 or 0, or with a ``JudgeFailure``.
        """

    def flush(self) -> None:
        """Called when all cases have been submitted: a judge that waits for a batch now decides."""
