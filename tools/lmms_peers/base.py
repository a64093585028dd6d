"""What is compared: an answer, and what both sides make of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from PIL import Image

from visionthink_pl.rewards.benchmarks import Benchmark
from visionthink_pl.rewards.benchmarks.base import Answered
from visionthink_pl.types import VQASample

PIXEL = Image.new("RGB", (28, 28))


@dataclass(frozen=True)
class Case:
    """One answer to one question.

    Attributes:
        answered: as it is scored here.
        doc: the row as lmms-eval's functions take it.
    """

    answered: Answered
    doc: Mapping[str, Any]

    @property
    def answer(self) -> str:
        return self.answered.answer


def make(answer: str, truths: Sequence[str], doc: Mapping[str, Any], **fields: Any) -> Case:
    """A case of a question with these truths; ``fields`` are those of ``VQASample``."""
    given: dict[str, Any] = {"id": "0", "question": "?", "images": (PIXEL,), "kind": "any"} | fields
    sample = VQASample(answer=truths[0], other_answers=tuple(truths[1:]), **given)
    return Case(Answered(sample, answer), doc)


class Peer(ABC):
    """A benchmark on both sides.

    Attributes:
        name: of the benchmark.
        ours: how it is scored here.
    """

    name: str
    ours: Benchmark

    @abstractmethod
    def cases(self, rng: Random) -> Iterator[Case]:
        """Answers without end; those that are scored as one follow each other."""

    @abstractmethod
    def theirs(self, case: Case) -> float:
        """What lmms-eval's function gives an answer."""

    def reason(self, case: Case, score: float | None) -> str | None:
        """Why both differ on a case, which gets ``score`` here: checked by taking the difference
        away. ``None`` if it has no known reason."""
        return None

    def reply(self, case: Case) -> str | None:
        """What the stand-in for a judge says of an answer, where there is one."""
        return None

    def score(self, case: Case) -> float | None:
        """What an answer gets here."""
        return self.ours.score([case.answered])[0]

    def summaries(
        self, cases: Sequence[Case], scores: Sequence[float | None]
    ) -> Iterator[tuple[str, float, float]]:
        """Figures over many answers: the name, ours, theirs."""
        yield from ()

    def own_figures(
        self, cases: Sequence[Case], scores: Sequence[float | None]
    ) -> dict[str, float]:
        """Those that are computed here."""
        return self.ours.summarise([case.answered for case in cases], scores)
