"""How answers to a benchmark's questions are scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeVar

from visionthink_pl.types import ConfigError, VQASample

Option = TypeVar("Option")


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


def column(sample: VQASample, name: str, benchmark: Benchmark) -> Any:
    """The value of one of the row's other columns.

    Raises:
        ConfigError: the rows have no such column.
    """
    if name in sample.extra:
        return sample.extra[name]
    raise ConfigError(
        f"{type(benchmark).__name__} needs the column {name!r} of sample {sample.id!r}, whose "
        f"other columns are {', '.join(sample.extra) or 'none'}; where the data's columns name it, "
        "add it to columns.keep"
    )


def by_round(benchmark: Benchmark, answered: Sequence[Answered]) -> list[list[int]]:
    """Indices of answers that count as one: for each unit one answer to each of its questions.

    A unit of which each question has k answers, as it is answered k times or drawn k times, gives
    k rounds, the j-th answer to one question going with the j-th to another.
    """
    units: dict[str, dict[str, list[int]]] = {}
    for index, each in enumerate(answered):
        of_unit = units.setdefault(benchmark.unit(each.sample), {})
        of_unit.setdefault(each.sample.id, []).append(index)
    rounds = (zip_longest(*of_unit.values()) for of_unit in units.values())
    return [[index for index in one if index is not None] for some in rounds for one in some]


def chosen(options: Mapping[str, Option], name: str, key: str) -> Option:
    """The option of that name.

    Args:
        options: by name.
        name: of one of them.
        key: of the setting, for the error.

    Raises:
        ConfigError: there is none.
    """
    if name not in options:
        raise ConfigError(f"{key}: one of {', '.join(options)}, not {name!r}")
    return options[name]
