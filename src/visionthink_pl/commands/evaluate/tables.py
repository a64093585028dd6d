"""The summary as tables in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

COLUMNS = {  # heading, figure, format
    "score": ("score", ".3f"),
    "of full": ("share_of_full", ".1%"),
    "visual\ntokens": ("visual_token_ratio", ".1%"),
    "looked\ntwice": ("resize_rate", ".1%"),
    "cut off": ("truncated", ".1%"),
    "ms a\nsample": ("seconds_a_sample", ""),
}


def modes_table(summary: Mapping[str, Any]) -> Table:
    """A row a mode."""
    table = _table("mode", "95%\ninterval")
    for mode, figures in summary["modes"].items():
        ends = figures.get("score_interval")
        between = f"{ends[0]:.3f}-{ends[1]:.3f}" if ends else "-"
        table.add_row(mode, between, *cells(figures))
    return table


def benchmarks_table(summary: Mapping[str, Any], mode: str) -> Table:
    """A row a benchmark and kind, of one mode."""
    table = _table(mode, "questions")
    for name, figures in summary["modes"][mode]["benchmarks"].items():
        table.add_row(name, str(figures["questions"]), *cells(figures))
        for kind, own in figures.get("kinds", {}).items():
            if len(figures["kinds"]) > 1:
                table.add_row(f"  {kind}", "", *cells(own))
    return table


def tests_table(summary: Mapping[str, Any]) -> Table:
    """A row a pair of modes, or a mode and its baseline."""
    table = Table("paired test", box=SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    for heading in ("difference", "p"):
        table.add_column(heading, justify="right")
    for test in summary["tests"]:
        names = test.get("modes") or [test["mode"], test["baseline"]]
        table.add_row(" - ".join(names), f"{test['difference']:+.3f}", f"{test['p']:.4f}")
    return table


def _table(first: str, second: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column(first, no_wrap=True, vertical="bottom")
    for heading in (second, *COLUMNS):
        table.add_column(heading, justify="right", vertical="bottom")
    return table


def cells(figures: Mapping[str, Any]) -> list[str]:
    """The figures of ``COLUMNS``, as text."""
    return [_cell(figures.get(name), kind) for name, kind in COLUMNS.values()]


def _cell(value: float | None, kind: str) -> str:
    if value is None:
        return "-"
    return format(value, kind) if kind else f"{1000 * value:.0f}"
