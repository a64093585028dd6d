"""``summary.json``: figures of each mode, and tests between modes and between evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from visionthink_pl.callbacks.trajectory_files import FOLDER, read_records
from visionthink_pl.commands.answering.modes import HIGH
from visionthink_pl.commands.evaluate.results import (
    BenchmarkResult,
    MeanScore,
    Record,
    average,
    average_interval,
)
from visionthink_pl.commands.evaluate.statistics import paired_test
from visionthink_pl.rewards.benchmarks import Benchmark
from visionthink_pl.types import ConfigError

Results = Mapping[str, Mapping[str, BenchmarkResult]]  # by mode, by benchmark


def results_of(
    records: Mapping[str, Sequence[Record]],
    benchmarks: Mapping[str, Benchmark | None],
    seed: int,
) -> Results:
    """Sort records by benchmark.

    Args:
        records: of each mode.
        benchmarks: by name; ``None`` where a reward has scored.
        seed: of intervals.
    """
    return {
        mode: {
            name: BenchmarkResult(
                [line for line in lines if line["benchmark"] == name and "unreadable" not in line],
                len({each["sample"] for each in lines if _unreadable(each, name)}),
                benchmark or MeanScore(),
                seed,
            )
            for name, benchmark in benchmarks.items()
        }
        for mode, lines in records.items()
    }


def summarise(results: Results, seed: int) -> dict[str, Any]:
    """The figures of all modes, and a paired test of each two of them."""
    modes = {mode: _mode(of) for mode, of in results.items()}
    full = modes.get(HIGH, {}).get("score")
    for figures in modes.values():
        if full and "score" in figures:
            figures["share_of_full"] = figures["score"] / full
    tests = [
        {"modes": [first, second]} | compared(results[first], results[second], seed)
        for first, second in combinations(results, 2)
    ]
    return {"modes": modes, "tests": tests}


def _mode(results: Mapping[str, BenchmarkResult]) -> dict[str, Any]:
    benchmarks = {name: result.figures() for name, result in results.items()}
    figures: dict[str, Any] = average(list(benchmarks.values()))
    if all(result.unit_scores for result in results.values()):
        figures["score_interval"] = average_interval(list(results.values()))
    return figures | {"benchmarks": benchmarks}


def compared(
    first: Mapping[str, BenchmarkResult], second: Mapping[str, BenchmarkResult], seed: int
) -> dict[str, float]:
    """The mean difference of two sets of answers to the same questions, benchmarks weighing the
    same, and p of "neither is better"."""
    differences = []
    for name, result in first.items():
        other = second[name].unit_scores
        both = [unit for unit in result.unit_scores if unit in other]
        weight = 1 / (len(both) * len(first)) if both else 0.0
        differences += [weight * (result.unit_scores[unit] - other[unit]) for unit in both]
    return {"difference": sum(differences), "p": paired_test(differences, seed)}


def against(baseline: Path, results: Results, seed: int) -> list[dict[str, Any]]:
    """Each mode against the same mode of another evaluation.

    Args:
        baseline: folder of that evaluation.
        results: of this one.
        seed: of the tests.

    Raises:
        ConfigError: it did not ask the same questions.
    """
    tests = []
    for mode, of in results.items():
        file = baseline / FOLDER / f"{mode}.jsonl"
        if not file.is_file():
            continue
        other = results_of({mode: list(read_records(file))}, dict.fromkeys(of), seed)[mode]
        for name, result in of.items():
            if result.units.keys() != other[name].units.keys():
                raise ConfigError(
                    f"baseline: {str(baseline)!r} holds answers to other questions of {name}"
                )
        tests.append({"mode": mode, "baseline": str(baseline)} | compared(of, other, seed))
    return tests


def _unreadable(line: Record, benchmark: str) -> bool:
    return line["benchmark"] == benchmark and "unreadable" in line
