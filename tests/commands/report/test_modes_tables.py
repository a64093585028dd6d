"""Tables of an evaluation."""

from typing import Any

from visionthink_pl.commands.report.modes_tables import modes_tables


def figures(score: float | None, **more: Any) -> dict[str, Any]:
    made = {
        "visual_token_ratio": 0.4,
        "resize_rate": 0.3,
        "truncated": 0.0,
        "seconds_a_sample": 0.02,
    }
    return made | ({} if score is None else {"score": score}) | more


def test_modes_tests_and_benchmarks() -> None:
    kinds = {"fine": figures(0.5), "plain": figures(1.0)}
    of = {"b": figures(0.9, kinds=kinds), "c": figures(0.92, kinds={"one": figures(0.92)})}
    summary = {
        "modes": {
            "adaptive": figures(
                0.91, share_of_full=0.95, score_interval=[0.89, 0.93], benchmarks=of
            ),
            "fixed_ratio_0.5": figures(None, benchmarks={"b": figures(None)}),
        },
        "tests": [
            {"modes": ["adaptive", "always_low"], "difference": -0.125, "p": 0.03125},
            {"mode": "adaptive", "baseline": "runs/old", "difference": 0.5, "p": 1.0},
        ],
    }
    modes, benchmarks, tests = modes_tables(summary)
    headings = ["mode", "score", "of full", "visual tokens", "looked twice", "cut off"]
    assert modes.head == [*headings, "ms a sample", "95% interval"]
    assert modes.rows == [
        ["adaptive", "0.910", "95.0%", "40.0%", "30.0%", "0.0%", "20", "0.890 to 0.930"],
        ["0.5 of the pixels", "-", "-", "40.0%", "30.0%", "0.0%", "20", "-"],
    ]
    assert benchmarks.head == ["score", "adaptive", "0.5 of the pixels"]
    assert benchmarks.rows == [
        ["b", "0.900", "-"],
        ["b · fine", "0.500", "-"],
        ["b · plain", "1.000", "-"],
        ["c", "0.920", "-"],
    ]
    assert tests.rows == [
        ["adaptive, always low", "\N{MINUS SIGN}0.125", "0.0312"],
        ["adaptive, the same of runs/old", "+0.500", "1.0000"],
    ]


def test_what_would_repeat_one_number_is_left_out() -> None:
    summary = {"modes": {"adaptive": figures(0.9, benchmarks={"b": figures(0.9)})}}
    assert [table.title for table in modes_tables(summary)] == ["Modes"]
