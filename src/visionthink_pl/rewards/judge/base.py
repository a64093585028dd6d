"""The interface of a judge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from visionthink_pl.types import ConfigError


@dataclass(frozen=True)
class Case:
    """A question, its ground truths and an answer, as text (paper, Sec. 3.4).

    Attributes:
        question: the user's, without prompt or tool instructions.
        truth: the ground truth; of several, the first; empty if the judge is to see none.
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


@dataclass(frozen=True)
class Instruction:
    """What a judge is asked for.

    Attributes:
        prompt: the name of a prompt of the package.
        read: what a reply says; ``None`` where that can't be read.
        allows: whether a value is one that a reply may say.
        repeat: the second and last request, after a reply that can't be read.
    """

    prompt: str
    read: Callable[[str], Any]
    allows: Callable[[Any], bool]
    repeat: str


class JudgeFailure(Exception):
    """There is no verdict. The message says why and does not contain the API key."""


class Judge(ABC):
    """Decides whether an answer is right, or what else it is instructed to say of it.

    Attributes:
        longest_wait_s: seconds that a verdict may take while what the judge needs is down.
    """

    longest_wait_s: float = 0.0

    def instruct(self, instruction: Instruction) -> None:
        """Ask for something else than a verdict. Called before ``setup``.

        Raises:
            ConfigError: this judge gives verdicts alone.
        """
        raise ConfigError(
            f"{type(self).__name__} can't be asked for what {instruction.prompt} needs; take "
            "APIJudge or LocalJudge"
        )

    def setup(self) -> None:
        """Connect or load. Called before the first case. It may be called again.

        Raises:
            ConfigError: something that the judge needs is missing.
        """

    @abstractmethod
    def submit(self, case: Case) -> Future[Any]:
        """Submit a case and return at once. Calls come from one thread. It may be another thread
        than that of ``flush``, but the two never run at the same time.

        Returns:
            A future with 1 or 0, or what the judge was instructed to say; or with a
            ``JudgeFailure``.
        """

    def flush(self) -> None:
        """Called when all cases have been submitted: a judge that waits for a batch now decides."""
