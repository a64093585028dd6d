"""Runs side by side: what is read, tested and listed."""

import json
from pathlib import Path
from typing import Any

import pytest

from visionthink_pl.commands.compare.compare import main

Lines = dict[str, tuple[float, str]]  # by question: score and answer


def line(sample: str, score: float | None, answer: str, **more: Any) -> dict[str, Any]:
    return {
        "sample": sample,
        "kind": "plain",
        "question": f"What is {sample}?",
        "truths": ["x"],
        "answer": answer,
        "parts": {"accuracy": score},
        "images": [{"file": "images/a.png", "width": 1, "height": 1}],
        "visual_tokens": 4,
        "full_look_tokens": 16,
        "second_look": score == 1,
        "stop": "answered",
        "turns": [{"call_error": None}],
        "generated_tokens": 10,
    } | more


def write(folder: Path, file: str, lines: list[dict[str, Any]]) -> str:
    target = folder / "trajectories" / file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return str(folder)


def evaluation(folder: Path, answers: Lines, mode: str = "adaptive") -> str:
    more = {"benchmark": "b", "extra": {}, "seconds": 0.1, "batch": 0}
    lines = [line(q, s, a, unit=q, **more) for q, (s, a) in answers.items()]
    name = write(folder, f"{mode}.jsonl", lines)
    (folder / "summary.json").write_text("{}")
    return name


def training(folder: Path, validations: dict[int, Lines]) -> str:
    lines = [
        line(q, s, a, step=step)
        for step, answers in validations.items()
        for q, (s, a) in answers.items()
    ]
    return write(folder, "val.jsonl", lines)


FIRST: Lines = {"a": (1.0, "x"), "b": (0.0, "y"), "c": (0.0, "y"), "only": (1.0, "x")}
SECOND: Lines = {"a": (0.0, "z"), "b": (1.0, "x"), "c": (1.0, "x"), "other": (0.0, "z")}


@pytest.mark.parametrize("kind", ["evaluation", "training"])
def test_what_changed(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    if kind == "evaluation":
        runs = [evaluation(tmp_path / n, lines) for n, lines in (("1", FIRST), ("2", SECOND))]
    else:  # the last validation counts
        runs = [
            training(tmp_path / "1", {0: SECOND, 9: FIRST}),
            training(tmp_path / "2", {0: FIRST, 9: SECOND}),
        ]
    assert main([*runs, "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "compare.json").read_text())
    (difference,) = found["differences"]
    assert difference["shared"] == 3
    assert difference["difference"] == pytest.approx(1 / 3)
    assert difference["p"] == 1.0  # one against two of three
    assert [change["sample"] for change in difference["gained"]] == ["b", "c"]
    (lost,) = difference["lost"]
    assert (lost["before"], lost["after"], lost["truths"]) == ("x", "z", ["x"])
    assert "a: 'What is a?', right is 'x'; was 'x', is 'z'" in out
    assert (tmp_path / "out" / "compare.png").stat().st_size > 10_000


def test_each_run_is_compared_with_the_first(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    runs = [evaluation(tmp_path / str(i), FIRST) for i in range(3)]
    evaluation(tmp_path / "1", SECOND, mode="always_low")  # a mode that the first lacks
    assert main([*runs, "--changed=0"]) == 0
    out = capsys.readouterr().out
    assert out.count("+0.000") == 2 and "was" not in out


REFUSED = [
    (["one"], "name two runs or more"),
    (["one", "nowhere"], "holds neither an evaluation (summary.json) nor the validations"),
    (["one", "apart"], "have no question in common"),
    (["one", "empty"], "holds no validation"),
]


@pytest.mark.parametrize(("names", "said"), REFUSED)
def test_refused(
    names: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    evaluation(tmp_path / "one", FIRST)
    evaluation(tmp_path / "apart", {"q": (1.0, "x")})
    training(tmp_path / "empty", {})
    assert main([str(tmp_path / name) for name in names]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
