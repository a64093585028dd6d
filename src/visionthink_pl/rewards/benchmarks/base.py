"""How answers to a benchmark's questions are scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from visionthink_pl.types import VQASample


@dataclass(frozen=True)
class Answered:
    """One answer to one question.

    Attributes:
        sample: the question, its ground truths in ``answers``, other columns in ``extra``.
        answer: what was answered; empty where nothing was.
    """

    sample: VQASample
    answer: str


class Benchmark(ABC):
    """How answers to a benchmark's questions are scored."""

    def setup(self) -> None:
        """Connect to a judge, where one is needed. Called once, before anything is scored.

        Raises:
            ConfigError: it isn't there.
        """

    @abstractmethod
    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        """One value from 0 to 1 for each answer; ``None`` where it could not be computed."""

    def unit(self, sample: VQASample) -> str:
        """What is counted as one: questions of a unit count together, and intervals draw whole
        units."""
        return sample.id

    def summarise(
        self, answered: Sequence[Answered], scores: Sequence[float | None]
    ) -> dict[str, float]:
        """The benchmark's figures: ``score`` first, by default the mean of what was scored."""
        scored = [score for score in scores if score is not None]
        figures = {"score": sum(scored) / len(scored)} if scored else {}
        unscored = len(scores) - len(scored)
        return figures | ({"unscored": unscored / len(scores)} if unscored else {})
