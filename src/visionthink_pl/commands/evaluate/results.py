"""From the records of a mode to its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from visionthink_pl.commands.evaluate.statistics import interval, resampled, resampled_means
from visionthink_pl.rewards.benchmarks import Answered, Benchmark
from visionthink_pl.types import VQASample

Record = Mapping[str, Any]


class MeanScore(Benchmark):
    """What a reward has scored; its mean is the score."""

    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        raise NotImplementedError("a reward scores")


@dataclass(frozen=True)
class BenchmarkResult:
    """The answers of one mode to one benchmark.

    Attributes:
        records: of all answers, those of unreadable samples left out.
        unreadable: how many samples could not be read.
        benchmark: sums up.
        seed: of intervals.
    """

    records: Sequence[Record]
    unreadable: int
    benchmark: Benchmark
    seed: int

    @cached_property
    def units(self) -> dict[str, list[int]]:
        """Indices of records, by what is counted as one."""
        out: dict[str, list[int]] = {}
        for index, record in enumerate(self.records):
            out.setdefault(record["unit"], []).append(index)
        return out

    @cached_property
    def unit_scores(self) -> dict[str, float]:
        """Mean score of each unit of which something was scored."""
        scores = {
            unit: [s for i in indices if (s := _score(self.records[i])) is not None]
            for unit, indices in self.units.items()
        }
        return {unit: sum(some) / len(some) for unit, some in scores.items() if some}

    @property
    def score(self) -> float | None:
        """The benchmark's headline; ``None`` where nothing was scored."""
        return self._summary(range(len(self.records))).get("score")

    @cached_property
    def resampled_scores(self) -> Tensor:
        """The headline of units drawn anew, shape (RESAMPLES,), for intervals."""
        if type(self.benchmark).summarise is Benchmark.summarise:
            return resampled_means(list(self.unit_scores.values()), self.seed)
        units = list(self.units.values())

        def headline(draw: Sequence[int]) -> float:
            summary = self._summary([index for unit in draw for index in units[unit]])
            return summary.get("score", float("nan"))

        return resampled(len(units), headline, self.seed)

    def figures(self) -> dict[str, Any]:
        """All of its figures."""
        if not self.records:
            return {"questions": 0, "unreadable": self.unreadable}
        summary = self._summary(range(len(self.records)))
        by_kind: dict[str, list[Record]] = {}
        for record in self.records:
            by_kind.setdefault(record["kind"], []).append(record)
        out: dict[str, Any] = {**summary, **tokens_and_looks(self.records)}
        if self.unit_scores:
            out["score_interval"] = list(interval(self.resampled_scores))
        out["questions"] = len({record["sample"] for record in self.records})
        out["unreadable"] = self.unreadable
        out |= _of_several(self.records)
        out["kinds"] = {
            kind: _mean_score(records) | tokens_and_looks(records)
            for kind, records in sorted(by_kind.items())
        }
        return out

    def _summary(self, indices: Sequence[int]) -> dict[str, float]:
        records = [self.records[index] for index in indices]
        return self.benchmark.summarise(
            [Answered(_sample(record), record["answer"] or "") for record in records],
            [_score(record) for record in records],
        )


def tokens_and_looks(records: Sequence[Record]) -> dict[str, float]:
    """What answers cost, and how often they looked twice."""
    count = len(records)
    shown = sum(record["visual_tokens"] for record in records)
    return {
        "visual_token_ratio": shown / sum(record["full_look_tokens"] for record in records),
        "visual_tokens": shown / count,
        "resize_rate": sum(record["second_look"] for record in records) / count,
        "truncated": sum(record["stop"] != "answered" for record in records) / count,
        "invalid_calls": sum(_invalid(record) for record in records) / count,
        "generated_tokens": sum(record["generated_tokens"] for record in records) / count,
    } | _seconds(records)


def _seconds(records: Sequence[Record]) -> dict[str, float]:
    """Of an evaluation; a training run does not time single answers."""
    timed = [record["seconds"] for record in records if "seconds" in record]
    return {"seconds_a_sample": sum(timed) / len(timed)} if timed else {}


def average(results: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Means over benchmarks, each of the same weight, of the figures that all of them have."""
    names = [
        name
        for name, value in results[0].items()
        if isinstance(value, float) and all(name in result for result in results)
    ]
    return {name: sum(result[name] for result in results) / len(results) for name in names}


def average_interval(results: Sequence[BenchmarkResult]) -> list[float]:
    """Of the mean over benchmarks, each drawn anew on its own."""
    return list(interval(torch.stack([result.resampled_scores for result in results]).mean(0)))


def _of_several(records: Sequence[Record]) -> dict[str, float]:
    """Where questions were answered k times: mean score, and the share of questions with a score
    of 1 among its answers (pass@k of as many samples)."""
    by_sample: dict[str, list[float]] = {}
    for record in records:
        if (value := _score(record)) is not None:
            by_sample.setdefault(record["sample"], []).append(value)
    most = max(map(len, by_sample.values()), default=0)
    if most < 2:
        return {}
    solved = sum(max(values) == 1 for values in by_sample.values())
    total = sum(map(len, by_sample.values()))
    return {
        f"avg@{most}": sum(map(sum, by_sample.values())) / total,
        f"pass@{most}": solved / len(by_sample),
    }


def _mean_score(records: Sequence[Record]) -> dict[str, float]:
    scores = [value for record in records if (value := _score(record)) is not None]
    return {"score": sum(scores) / len(scores)} if scores else {}


def _score(record: Record) -> float | None:
    value: float | None = record["parts"]["accuracy"]
    return value


def _invalid(record: Record) -> bool:
    return any(turn["call_error"] is not None for turn in record["turns"])


def _sample(record: Record) -> VQASample:
    """The question without its images, which no benchmark's summary looks at."""
    truths = record["truths"] or [""]
    return VQASample(
        record["sample"],
        record["question"],
        truths[0],
        (),
        record["kind"],
        other_answers=tuple(truths[1:]),
        extra=record["extra"],
    )
