"""Runs in one picture: modes over visual tokens, or validations over optimizer steps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from visionthink_pl.commands.compare.answered_runs import AnsweredRun
from visionthink_pl.commands.evaluate.results import average, tokens_and_looks

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # Okabe and Ito
TITLES = {"score": "accuracy", "resize_rate": "resize rate"}


def draw_runs(file: Path, runs: Sequence[AnsweredRun]) -> None:
    """Draw a PNG: curves where all are training runs, else modes."""
    figure = Figure(figsize=(8, 4.5), layout="constrained", dpi=150)
    if all(run.validations for run in runs):
        panels = dict(zip(TITLES, figure.subplots(1, 2), strict=True))
        for run, colour in zip(runs, _colours(len(runs)), strict=True):
            _curves(panels, run, colour)
        for name, axes in panels.items():
            axes.set(title=TITLES[name], xlabel="optimizer steps", ylim=(-0.03, 1.03))
    else:
        axes = figure.add_subplot()
        for run, colour in zip(runs, _colours(len(runs)), strict=True):
            _modes(axes, run, colour)
        axes.set(xlabel="visual tokens, share of one look at the full image", ylabel="score")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.margins(x=0.2, y=0.15)
        axes.set_xlim(left=0)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", frameon=False)
    part = file.with_name(f"{file.name}.part")
    FigureCanvasAgg(figure).print_png(str(part))
    os.replace(part, file)


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _curves(panels: dict[str, Axes], run: AnsweredRun, colour: str) -> None:
    steps = list(run.validations)
    scores = [
        [s for line in lines if (s := line["parts"]["accuracy"]) is not None]
        for lines in run.validations.values()
    ]
    means = [sum(values) / len(values) if values else float("nan") for values in scores]
    looks = [tokens_and_looks(lines)["resize_rate"] for lines in run.validations.values()]
    for name, values in (("score", means), ("resize_rate", looks)):
        panels[name].plot(steps, values, "o-", color=colour, markersize=4, label=run.name)


def _modes(axes: Axes, run: AnsweredRun, colour: str) -> None:
    points = []
    for mode, of in run.results.items():
        figures = average([result.figures() for result in of.values()])
        if "score" in figures:
            points.append((figures["visual_token_ratio"], figures["score"], mode))
    axes.plot(
        [x for x, _, _ in points],
        [y for _, y, _ in points],
        "o",
        color=colour,
        markersize=7,
        label=run.name,
    )
    for x, y, mode in points:
        axes.annotate(
            mode.replace("_", " "),
            (x, y),
            xytext=(7, 5),
            textcoords="offset points",
            color=colour,
            fontsize=8,
        )
