"""What differs between two runs: a paired test, and the questions whose answer changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from visionthink_pl.commands.compare.answered_runs import AnsweredRun
from visionthink_pl.commands.evaluate.results import BenchmarkResult
from visionthink_pl.commands.evaluate.summary import compared
from visionthink_pl.types import ConfigError


@dataclass(frozen=True)
class RunDifference:
    """One mode of a run against the same mode of the first run.

    Attributes:
        mode: of both.
        runs: names of the first run and the other.
        shared: questions that both have scored.
        difference: mean score of the other minus that of the first, benchmarks weighing the same.
        p: of "neither is better".
        gained: questions that the other answers better, the most first.
        lost: that it answers worse.
    """

    mode: str
    runs: tuple[str, str]
    shared: int
    difference: float
    p: float
    gained: list[dict[str, Any]]
    lost: list[dict[str, Any]]


def differences(first: AnsweredRun, other: AnsweredRun, seed: int) -> list[RunDifference]:
    """Compare each mode that both have, on the questions that both have.

    Args:
        first: what is compared with.
        other: what is compared.
        seed: of the tests.

    Raises:
        ConfigError: they share no mode, or no question.
    """
    out = []
    for mode in (mode for mode in other.results if mode in first.results):
        before, after = first.results[mode], other.results[mode]
        names = [name for name in after if name in before]
        shared = {
            name: before[name].unit_scores.keys() & after[name].unit_scores.keys() for name in names
        }
        if not any(shared.values()):
            continue
        used = {name: after[name] for name in names if shared[name]}
        changes = [
            change
            for name in used
            for change in _changes(before[name], after[name], sorted(shared[name]))
        ]
        changes.sort(key=lambda change: -abs(change["change"]))
        found = compared(used, before, seed)
        out.append(
            RunDifference(
                mode,
                (first.name, other.name),
                sum(map(len, shared.values())),
                found["difference"],
                found["p"],
                [change for change in changes if change["change"] > 0],
                [change for change in changes if change["change"] < 0],
            )
        )
    if not out:
        raise ConfigError(f"{first.name!r} and {other.name!r} have no question in common")
    return out


def _changes(
    before: BenchmarkResult, after: BenchmarkResult, units: list[str]
) -> list[dict[str, Any]]:
    """Questions of which the score changed, with both answers to the first of each unit."""
    out = []
    for unit in units:
        change = after.unit_scores[unit] - before.unit_scores[unit]
        if not change:
            continue
        old, new = (_first(result, unit) for result in (before, after))
        out.append(
            {
                "sample": new["sample"],
                "question": new["question"],
                "truths": new["truths"],
                "before": old["answer"],
                "after": new["answer"],
                "change": change,
                "image": new["images"][0]["file"] if new["images"] else None,
            }
        )
    return out


def _first(result: BenchmarkResult, unit: str) -> Mapping[str, Any]:
    return result.records[result.units[unit][0]]
