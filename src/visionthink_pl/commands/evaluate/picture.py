"""Score over visual tokens, the fixed ratios as a line (as the paper's Fig. 1)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from visionthink_pl.commands.answering.modes import ADAPTIVE, mode_title

LINE, POINT = "#7a7a7a", "#d1495b"


def draw_modes(file: Path, summary: Mapping[str, Any]) -> None:
    """Draw a PNG."""
    scored = {m: f for m, f in summary["modes"].items() if "score" in f}
    figure = Figure(figsize=(7, 4.5), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    once = sorted((f["visual_token_ratio"], f["score"]) for m, f in scored.items() if m != ADAPTIVE)
    axes.plot(*zip(*once, strict=True), color=LINE, linewidth=1.2, zorder=1) if once else None
    for mode, figures in scored.items():
        x, y = figures["visual_token_ratio"], figures["score"]
        low, high = figures.get("score_interval", (y, y))
        colour = POINT if mode == ADAPTIVE else LINE
        error = [[max(y - low, 0)], [max(high - y, 0)]]
        axes.errorbar(
            x, y, yerr=error, fmt="o", color=colour, markersize=7, capsize=3, elinewidth=1
        )
        above = 6 if mode == ADAPTIVE else -14  # two points may lie close together
        axes.annotate(
            mode_title(mode), (x, y), xytext=(8, above), textcoords="offset points", color=colour
        )
    axes.set_xlabel("visual tokens, share of one look at the full image")
    axes.set_ylabel("score")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.margins(x=0.2, y=0.15)
    axes.set_xlim(left=0)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    part = file.with_name(f"{file.name}.part")
    FigureCanvasAgg(figure).print_png(str(part))
    os.replace(part, file)
