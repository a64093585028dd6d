"""Tables of an evaluation, from its ``summary.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from visionthink_pl.commands.answering.modes import mode_title
from visionthink_pl.commands.evaluate.tables import COLUMNS, cells


@dataclass(frozen=True)
class TextTable:
    """A table of text.

    Attributes:
        title: what it shows.
        head: of the columns; the first names the rows.
        rows: of cells.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def modes_tables(summary: Mapping[str, Any]) -> list[TextTable]:
    """The modes side by side, their scores by benchmark and kind, and the paired tests."""
    modes = summary["modes"]
    tables = [_modes(modes), _benchmarks(modes), _tests(summary.get("tests", []))]
    return [table for table in tables if table.rows]


def _modes(modes: Mapping[str, Any]) -> TextTable:
    head = ["mode", *(heading.replace("\n", " ") for heading in COLUMNS), "95% interval"]
    rows = [
        [mode_title(mode), *cells(figures), _interval(figures.get("score_interval"))]
        for mode, figures in modes.items()
    ]
    return TextTable("Modes", head, rows)


def _interval(ends: Sequence[float] | None) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else "-"


def _benchmarks(modes: Mapping[str, Any]) -> TextTable:
    """Left out where it would repeat one number."""
    by_mode = [_scores(figures.get("benchmarks", {})) for figures in modes.values()]
    names = list(dict.fromkeys(name for scores in by_mode for name in scores))
    rows = [
        [" \N{MIDDLE DOT} ".join(name), *(_score(scores.get(name)) for scores in by_mode)]
        for name in names
    ]
    head = ["score", *(mode_title(mode) for mode in modes)]
    return TextTable("Score by benchmark and kind", head, rows if len(rows) > 1 else [])


def _scores(benchmarks: Mapping[str, Any]) -> dict[tuple[str, ...], float | None]:
    out: dict[tuple[str, ...], float | None] = {}
    for name, figures in benchmarks.items():
        out[name,] = figures.get("score")
        kinds = figures.get("kinds", {})
        if len(kinds) > 1:
            out |= {(name, kind): own.get("score") for kind, own in kinds.items()}
    return out


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _tests(tests: Sequence[Mapping[str, Any]]) -> TextTable:
    rows = [[_pair(test), _signed(test["difference"]), f"{test['p']:.4f}"] for test in tests]
    return TextTable("Paired tests", ["first minus second", "difference in score", "p"], rows)


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _pair(test: Mapping[str, Any]) -> str:
    if "modes" in test:
        return ", ".join(mode_title(mode) for mode in test["modes"])
    return f"{mode_title(test['mode'])}, the same of {test['baseline']}"
