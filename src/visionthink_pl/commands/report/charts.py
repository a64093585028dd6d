"""The page's charts, by plotly. Their colours are those of a light page, which the page's script
replaces by its own; names come from data, and plotly would read markup in them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from visionthink_pl.commands.answering.modes import ADAPTIVE, mode_title
from visionthink_pl.commands.report.scalars import Scalars

INK, MUTED, LINE, PAPER, ACCENT = "#1d1d1f", "#6e6e73", "#e3e3e6", "#fffffe", "#c2334d"
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # Okabe and Ito
DASHES = ("solid", "dash", "dot")
POINTS = 500  # of a curve; longer ones are drawn as means of neighbours
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
BATCHES = "rollout batches"


@dataclass(frozen=True)
class Chart:
    """A figure with its words.

    Attributes:
        title: what it shows.
        note: what its curves are.
        figure: plotly's, as JSON values; the page makes a legend of its traces' ``meta``.
    """

    title: str
    note: str
    figure: dict[str, Any]


def curves(scalars: Scalars) -> list[Chart]:
    """Charts of training; none where nothing was logged of it."""
    charts = [_rewards(scalars), _by_kind(scalars, "accuracy", "Accuracy")]
    charts += [_by_kind(scalars, "resize_rate", "Resize rate"), _signal(scalars)]
    return [chart for chart in charts if chart.figure["data"]]


def modes_chart(modes: Mapping[str, Any]) -> Chart:
    """Score over visual tokens; modes with one look are joined."""
    scored = {name: figures for name, figures in modes.items() if "score" in figures}
    once = {name: figures for name, figures in scored.items() if name != ADAPTIVE}
    by_cost = sorted(once.values(), key=lambda figures: figures["visual_token_ratio"])
    traces = [_joined(by_cost)] if len(by_cost) > 1 else []
    traces += [_mode(name, figures) for name, figures in scored.items()]
    layout = _layout("visual tokens, share of one look at the full image", "score")
    layout.update(hovermode="closest")
    layout.margin.r = 110  # for the names of the rightmost
    layout.xaxis.update(tickformat=".0%", rangemode="tozero")
    layout.yaxis.update(tickformat=".2f")
    return Chart(
        "Score over visual tokens",
        "Bars are 95% intervals. Modes that show the image once are joined by a line.",
        _values(traces, layout),
    )


def thinned(curve: Mapping[int, float], most: int = POINTS) -> tuple[list[float], list[float]]:
    """A curve with at most so many points: means of neighbours."""
    xs, ys = sorted(curve), [curve[x] for x in sorted(curve)]
    size = -(-len(xs) // most) or 1
    means = [(_mean(xs[i : i + size]), _mean(ys[i : i + size])) for i in range(0, len(xs), size)]
    return [x for x, _ in means], [y for _, y in means]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _rewards(scalars: Scalars) -> Chart:
    parts = [name for name in scalars if name.startswith("train/reward/")]
    traces = _curve(scalars, "train/reward", "sum", INK, 2.5)
    for place, name in enumerate(sorted(parts)):
        traces += _coloured(scalars, name, name.removeprefix("train/reward/"), place)
    note = "Means over all that was sampled: the weighted sum, and each part without its weight."
    layout = _layout(BATCHES, "reward")
    layout.yaxis.update(tickformat=".1f")
    return Chart("Reward", note, _values(traces, layout))


def _by_kind(scalars: Scalars, metric: str, title: str) -> Chart:
    names = [name for name in scalars if name.startswith(f"train/{metric}/")]
    traces = []
    for place, name in enumerate(sorted(names) if len(names) > 1 else []):
        traces += _coloured(scalars, name, name.removeprefix(f"train/{metric}/"), place)
    traces += _curve(scalars, f"train/{metric}", "all", INK, 2.5)
    traces += _curve(scalars, f"val/{metric}", "validation", ACCENT, 1.5, mode="markers")
    layout = _layout(BATCHES, f"{title.lower()}, share")
    layout.yaxis.update(range=[-0.03, 1.03], tickformat=".1f")
    note = "By kind of question, of all that was sampled; validation is greedy, over all kinds."
    return Chart(title, note, _values(traces, layout))


def _signal(scalars: Scalars) -> Chart:
    traces = _curve(scalars, "train/groups_with_signal", "with signal", INK, 2.5)
    traces += _coloured(
        scalars, "train/all_correct_with_signal", "of these, all answers correct", 0
    )
    traces += _coloured(scalars, "train/dropped_groups", "dropped by filters", 1)
    layout = _layout(BATCHES, "groups, share")
    layout.yaxis.update(range=[-0.03, 1.03], tickformat=".1f")
    note = "Groups whose rewards are not all equal; the others teach nothing."
    return Chart("Groups with signal", note, _values(traces, layout))


def _coloured(scalars: Scalars, name: str, label: str, place: int) -> list[go.Scatter]:
    dash = DASHES[place // len(COLOURS) % len(DASHES)]
    return _curve(scalars, name, label, COLOURS[place % len(COLOURS)], 1.3, dash=dash)


def _curve(
    scalars: Scalars,
    name: str,
    label: str,
    colour: str,
    width: float,
    mode: str = "lines",
    dash: str = "solid",
) -> list[go.Scatter]:
    """One trace; none where nothing was logged. A single point is a marker."""
    if not (curve := scalars.get(name)):
        return []
    xs, ys = thinned(curve)
    return [
        go.Scatter(
            x=xs,
            y=ys,
            name=html.escape(label),
            meta=label,
            mode="markers" if len(xs) == 1 else mode,
            line={"color": colour, "width": width, "dash": dash},
            marker={"color": colour, "size": 9, "symbol": "diamond"},
            cliponaxis=False,
        )
    ]


def _joined(by_cost: Sequence[Mapping[str, Any]]) -> go.Scatter:
    return go.Scatter(
        x=[figures["visual_token_ratio"] for figures in by_cost],
        y=[figures["score"] for figures in by_cost],
        mode="lines",
        line={"color": MUTED, "width": 1.2},
        hoverinfo="skip",
    )


def _mode(name: str, figures: Mapping[str, Any]) -> go.Scatter:
    score, colour = figures["score"], ACCENT if name == ADAPTIVE else MUTED
    low, high = figures.get("score_interval", (score, score))
    title = html.escape(mode_title(name))
    bars = {"array": [max(high - score, 0)], "arrayminus": [max(score - low, 0)], "width": 4}
    return go.Scatter(
        x=[figures["visual_token_ratio"]],
        y=[score],
        mode="markers+text",
        text=[title],
        textposition="top right" if name == ADAPTIVE else "bottom right",
        textfont={"color": colour, "size": 13},
        marker={"color": colour, "size": 11 if name == ADAPTIVE else 9},
        error_y={"type": "data", "symmetric": False, "color": colour, "thickness": 1.2, **bars},
        hovertemplate=f"{title}<br>score %{{y:.3f}}<br>visual tokens %{{x:.1%}}<extra></extra>",
        cliponaxis=False,
    )


def _layout(x: str, y: str) -> go.Layout:
    axis = {"gridcolor": LINE, "zeroline": False, "linecolor": LINE, "fixedrange": True}
    axis |= {
        "layer": "below traces",
        "automargin": True,
        "title": {"standoff": 10, "font": {"size": 12, "color": MUTED}},
    }
    layout = go.Layout(
        template="none",
        font={"family": FONT, "size": 12, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 50, "r": 16, "t": 8, "b": 44},
        autosize=True,
        hovermode="x unified",
        hoverlabel={"bgcolor": PAPER, "bordercolor": LINE, "font": {"color": INK, "size": 12}},
        dragmode=False,
        showlegend=False,
        xaxis=axis | {"showgrid": False, "hoverformat": ".0f", "rangemode": "tozero"},
        yaxis=axis | {"hoverformat": ".3f"},
    )
    layout.xaxis.title.text, layout.yaxis.title.text = x, y
    return layout


def _values(traces: Sequence[go.Scatter], layout: go.Layout) -> dict[str, Any]:
    if layout.xaxis.title.text == BATCHES and max((x for t in traces for x in t.x), default=0) < 6:
        layout.xaxis.dtick = 1  # no batch is half
    return {
        "data": [trace.to_plotly_json() for trace in traces],
        "layout": layout.to_plotly_json(),
    }
