"""Draws the histogram of correct rollouts at high minus low resolution."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visionthink_pl.commands.prepare.classify import Verdict
from visionthink_pl.commands.prepare.record import Row

LOOK = {  # bottom to top; colours that stay apart for colour-blind eyes and in grey
    Verdict.LOW_SUFFICES: ("#0072b2", "low resolution suffices"),
    Verdict.NEEDS_HIGH: ("#e69f00", "needs high resolution"),
    Verdict.DROPPED: ("#b8b8b8", "neither: dropped"),
}


def differences(rows: dict[int, Row], verdicts: dict[int, Verdict]) -> dict[Verdict, Counter[int]]:
    """For each class, the number of samples by difference, high minus low."""
    found: dict[Verdict, Counter[int]] = {verdict: Counter() for verdict in LOOK}
    for index, verdict in verdicts.items():
        row = rows[index]
        if row.low is not None and row.high is not None:
            found[verdict][row.high - row.low] += 1
    return found


def draw_histogram(
    file: Path, found: dict[Verdict, Counter[int]], rollouts: int, gain: int
) -> None:
    """Draw a stacked bar for each difference, and a line at the threshold.

    Args:
        file: PNG to write.
        found: the result of ``differences``.
        rollouts: at each resolution; differences range from minus this to this.
        gain: the threshold of needing high resolution.
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    tallest = _stack(axes, found, range(-rollouts, rollouts + 1))
    threshold = f"{gain} more at high resolution"
    axes.axvline(gain - 0.5, color="#444444", linestyle="--", linewidth=1, label=threshold)
    axes.set_xlim(-rollouts - 0.6, rollouts + 0.6)
    axes.set_ylim(0, max(1.05 * tallest, 1))
    axes.set_xlabel(f"correct at high minus correct at low resolution, of {rollouts} rollouts each")
    axes.set_ylabel("samples")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=20, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    part = file.with_name(f"{file.name}.part")
    FigureCanvasAgg(figure).print_png(str(part))
    os.replace(part, file)


def _stack(axes: Axes, found: dict[Verdict, Counter[int]], steps: range) -> int:
    """Draw the bars; return the height of the tallest."""
    below = [0] * len(steps)
    for verdict, (colour, label) in LOOK.items():
        heights = [found[verdict][step] for step in steps]
        text = f"{label} ({sum(heights)})"
        axes.bar(steps, heights, bottom=below, color=colour, width=0.85, label=text)
        below = [a + b for a, b in zip(below, heights, strict=True)]
    return max(below)
