"""Figures of a handful of records, by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from visionthink_pl.commands.evaluate.results import (
    BenchmarkResult,
    MeanScore,
    average,
    average_interval,
)
from visionthink_pl.commands.evaluate.summary import compared, results_of, summarise
from visionthink_pl.rewards.benchmarks import Answered


def line(sample: str, score: float | None, **other: Any) -> dict[str, Any]:
    """A record as ``evaluate`` writes it."""
    return {
        "benchmark": "b",
        "sample": sample,
        "unit": sample,
        "kind": "plain",
        "question": "?",
        "truths": ["x"],
        "extra": {},
        "answer": "x",
        "parts": {"accuracy": score},
        "visual_tokens": 4,
        "full_look_tokens": 16,
        "second_look": False,
        "stop": "answered",
        "turns": [{"call_error": None}],
        "generated_tokens": 10,
        "seconds": 0.5,
    } | other


LINES = [
    line("a", 1.0),
    line("b", 0.0, kind="print", visual_tokens=20, second_look=True, stop="out_of_turns"),
    line("c", 1.0, kind="print", visual_tokens=12, full_look_tokens=48, seconds=1.0),
    line("d", None, turns=[{"call_error": "no such tool"}], generated_tokens=30),
]


def result(lines: Sequence[dict[str, Any]], unreadable: int = 0) -> BenchmarkResult:
    return BenchmarkResult(lines, unreadable, MeanScore(), seed=0)


def test_figures() -> None:
    figures = result(LINES, unreadable=2).figures()
    kinds = figures.pop("kinds")
    low, high = figures.pop("score_interval")
    assert 0 <= low <= 2 / 3 <= high <= 1
    assert figures == pytest.approx(
        {
            "score": 2 / 3,
            "unscored": 1 / 4,
            "visual_token_ratio": 40 / 96,  # of sums
            "visual_tokens": 10,
            "resize_rate": 1 / 4,
            "truncated": 1 / 4,
            "invalid_calls": 1 / 4,
            "generated_tokens": 15,
            "seconds_a_sample": 2.5 / 4,
            "questions": 4,
            "unreadable": 2,
        }
    )
    assert kinds["print"]["score"] == 0.5 and kinds["plain"]["score"] == 1.0
    assert kinds["print"]["visual_token_ratio"] == 32 / 64


def test_several_answers_to_a_question() -> None:
    """avg@2 and pass@2 by hand; a question is one unit."""
    lines = [line("a", s) for s in (1.0, 0.0)] + [line("b", s) for s in (0.0, 0.5)]
    of = result(lines)
    figures = of.figures()
    assert figures["avg@2"] == pytest.approx(1.5 / 4) and figures["pass@2"] == 0.5
    assert figures["questions"] == 2 and of.unit_scores == {"a": 0.5, "b": 0.25}


class AllOrNothing(MeanScore):
    """A unit is right where all of it is; as circular evaluation."""

    def summarise(
        self, answered: Sequence[Answered], scores: Sequence[float | None]
    ) -> dict[str, float]:
        units: dict[str, list[float]] = {}
        for each, score in zip(answered, scores, strict=True):
            units.setdefault(each.sample.extra["group"], []).append(score or 0.0)
        return {"score": sum(min(values) for values in units.values()) / len(units)}


def test_a_benchmark_s_own_headline_and_units() -> None:
    lines = [
        line(f"{group}{i}", score, unit=group, extra={"group": group})
        for group, scores in {"g": (1.0, 1.0), "h": (1.0, 0.0)}.items()
        for i, score in enumerate(scores)
    ]
    of = BenchmarkResult(lines, 0, AllOrNothing(), seed=0)
    assert of.score == 0.5
    assert set(of.resampled_scores.tolist()) == {0.0, 0.5, 1.0}  # whole groups are drawn


def test_nothing_scored_and_nothing_read() -> None:
    figures = result([line("a", None)]).figures()
    assert "score" not in figures and figures["unscored"] == 1.0
    assert result([], unreadable=3).figures() == {"questions": 0, "unreadable": 3}


def test_benchmarks_weigh_the_same() -> None:
    small, large = result([line("a", 1.0)]), result([line(str(i), 0.0) for i in range(9)])
    assert average([small.figures(), large.figures()])["score"] == 0.5
    assert average_interval([small, large]) == [0.5, 0.5]
    assert compared({"s": small, "l": large}, {"s": small, "l": small_of(large)}, 0)[
        "difference"
    ] == pytest.approx(-0.5)


def small_of(of: BenchmarkResult) -> BenchmarkResult:
    """The same questions, all of them right."""
    return result([{**each, "parts": {"accuracy": 1.0}} for each in of.records])


def test_modes_are_compared_on_the_questions_that_both_scored() -> None:
    adaptive = [line("a", 1.0), line("b", 1.0), line("c", None)]
    high = [line("a", 1.0), line("b", 0.0), line("c", 1.0)]
    bad = {"benchmark": "b", "sample": "z", "unreadable": "broken"}
    results = results_of({"adaptive": [*adaptive, bad], "always_high": high}, {"b": None}, seed=0)
    summary = summarise(results, seed=0)
    assert summary["modes"]["adaptive"]["score"] == 1.0
    assert summary["modes"]["adaptive"]["share_of_full"] == pytest.approx(1.5)
    assert summary["modes"]["adaptive"]["benchmarks"]["b"]["unreadable"] == 1
    (test,) = summary["tests"]
    assert test == {"modes": ["adaptive", "always_high"], "difference": 0.5, "p": 1.0}
