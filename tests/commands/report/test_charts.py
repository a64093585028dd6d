"""Charts as plotly's values."""

import json
from typing import Any

import pytest

from report_helpers import HOSTILE
from visionthink_pl.commands.report.charts import ACCENT, MUTED, curves, modes_chart, thinned

SCALARS = {
    "train/reward": {0: 1.0, 1: 1.5},
    "train/reward/format": {0: 0.5, 1: 0.25},
    "train/accuracy": {0: 0.5, 1: 0.75},
    "train/accuracy/b": {1: 1.0},
    "train/accuracy/a": {0: 0.0, 1: 0.5},
    "val/accuracy": {0: 0.5, 2: 1.0},
    "train/groups_with_signal": {0: 1.0, 1: 0.5},
    "lr": {0: 0.1},
}


def traces(figure: dict[str, Any]) -> dict[str, tuple[list[float], list[float]]]:
    return {trace["meta"]: (list(trace["x"]), list(trace["y"])) for trace in figure["data"]}


def test_each_curve_is_there_with_its_values_and_axes_have_names() -> None:
    reward, accuracy, signal = curves(SCALARS)
    assert [chart.title for chart in (reward, accuracy, signal)] == [
        "Reward",
        "Accuracy",
        "Groups with signal",
    ]
    assert traces(reward.figure) == {"sum": ([0, 1], [1, 1.5]), "format": ([0, 1], [0.5, 0.25])}
    assert traces(accuracy.figure) == {
        "a": ([0, 1], [0, 0.5]),
        "b": ([1], [1]),
        "all": ([0, 1], [0.5, 0.75]),
        "validation": ([0, 2], [0.5, 1]),
    }
    for chart in (reward, accuracy, signal):
        layout = chart.figure["layout"]
        assert layout["xaxis"]["title"]["text"] == "rollout batches"
        assert layout["yaxis"]["title"]["text"]
        assert json.loads(json.dumps(chart.figure, allow_nan=False))


def test_nothing_was_trained_and_one_kind_is_all() -> None:
    assert curves({"val/loss": {0: 1.0}}) == []
    one = {"train/accuracy": {0: 1.0}, "train/accuracy/only": {0: 1.0}}
    (chart,) = curves(one)
    assert traces(chart.figure) == {"all": ([0], [1])}
    assert chart.figure["data"][0]["mode"] == "markers"  # a line of one point is not seen


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_plotly_finds_no_markup_in_names(text: str) -> None:
    kinds = {f"train/accuracy/{name}": {0: 1.0} for name in (text, "other")}
    (chart,) = curves(kinds)
    first = min(text, "other")
    trace = chart.figure["data"][0 if first == text else 1]
    assert trace["meta"] == text  # the legend's, which is shown as text
    assert not set("<>") & set(trace["name"])  # plotly's, which reads tags and entities
    assert "&lt;" in trace["name"] or "<" not in text


def test_curves_of_many_points_are_means_of_neighbours() -> None:
    assert thinned({5: 1.0, 3: 2.0}, 2) == ([3, 5], [2, 1])
    assert thinned({x: float(x * x) for x in range(5)}, 2) == ([1, 3.5], [5 / 3, 12.5])
    xs, ys = thinned({x: 1.0 for x in range(10_001)})
    assert len(xs) == len(ys) <= 500 and set(ys) == {1.0}


def test_modes_with_one_look_are_joined_in_the_order_of_their_cost() -> None:
    modes = {
        "always_high": {"score": 1.0, "visual_token_ratio": 1.0},
        "adaptive": {"score": 0.9, "visual_token_ratio": 0.5, "score_interval": [0.8, 0.95]},
        "always_low": {"score": 0.5, "visual_token_ratio": 0.25},
        "fixed_ratio_0.5": {"score": 0.75, "visual_token_ratio": 0.56},
        "unscored": {"visual_token_ratio": 0.1},
    }
    line, *points = modes_chart(modes).figure["data"]
    assert (list(line["x"]), list(line["y"])) == ([0.25, 0.56, 1.0], [0.5, 0.75, 1.0])
    found = {trace["text"][0]: (trace["x"][0], trace["y"][0]) for trace in points}
    assert found == {
        "always high": (1.0, 1.0),
        "adaptive": (0.5, 0.9),
        "always low": (0.25, 0.5),
        "0.5 of the pixels": (0.56, 0.75),
    }
    assert [trace["marker"]["color"] for trace in points] == [MUTED, ACCENT, MUTED, MUTED]
    bars = points[1]["error_y"]
    assert (bars["array"], bars["arrayminus"]) == (
        pytest.approx([0.05]),
        pytest.approx([0.1]),
    )
