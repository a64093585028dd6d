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
        truth: the ground truth, of several the first.
        answer: what the trajectory answered, extracted from its last turn.
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
    """There is no verdict; the message says why, without the API key."""


class Judge(ABC):
    """Says whether an answer is right."""

    def setup(self) -> None:
        """Connect or load. Called before the first case; to call it again does no harm.

        Raises:
            ConfigError: what the judge needs isn't there.
        """

    @abstractmethod
    def submit(self, case: Case) -> Future[int]:
        """Hand in a case and return at once. Called from one thread, which may be another than that
        of ``flush``, but never beside it.

        Returns:
            A future with 1 or 0, or with a ``JudgeFailure``.
        """

    def flush(self) -> None:
        """All cases have been handed in: a judge that waits for a batch answers now."""
