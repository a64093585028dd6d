"""The verb: what it writes and what it refuses; the number of trajectories and the size."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from report_helpers import answered, many_records, record, validation, write_events, write_records
from visionthink_pl.commands.report.beside_logs import report_beside
from visionthink_pl.commands.report.contents import gather
from visionthink_pl.commands.report.report import main, write_report
from visionthink_pl.commands.report.report_page import ASSETS


def data(file: Path) -> dict[str, Any]:
    """The trajectories in a page."""
    text = file.read_text(encoding="utf-8")
    (found,) = re.findall(r'<script type="application/json" id="trajectories">(.*?)</script>', text)
    loaded: dict[str, Any] = json.loads(found)
    return loaded


def trajectories(file: Path) -> int:
    return sum(len(group["trajectories"]) for group in data(file)["groups"])


def test_a_run(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "quick" / "version_0"
    write_events(
        folder,
        {
            "train/reward": {0: 1.0, 1: 1.5},
            "val/accuracy": {0: 0.5},
            "optimizer_step": {0: 1, 1: 2},
            "rollout_step": {0: 0, 1: 1},
        },
    )
    write_records(folder, "train", [record(rollout=place) for place in range(3)])
    write_records(folder, "val", [validation(sample="v")])
    assert main([str(folder)]) == 0
    file = folder / "report.html"
    assert capsys.readouterr().out == f"report: {file}\n"
    assert [path.name for path in folder.glob("report*")] == ["report.html"]
    page = file.read_text(encoding="utf-8")
    for words in ("quick/version_0", "2 optimizer steps", "2 rollout batches", "4 trajectories"):
        assert words in page
    assert "Modes side by side" not in page
    assert set(data(file)["images"]) == {"images/0.png"}  # once, for four trajectories


def test_an_evaluation(tmp_path: Path) -> None:
    modes = {"adaptive": {"score": 0.91, "visual_token_ratio": 0.4, "benchmarks": {}}}
    (tmp_path / "summary.json").write_text(json.dumps({"model": "m", "modes": modes, "tests": []}))
    write_records(tmp_path, "adaptive", [answered("adaptive")])
    out = tmp_path / "page.html"
    assert main([str(tmp_path), "--out", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    assert "Modes side by side" in page and "0.910" in page and "model m" in page
    assert data(out)["evaluation"] is True


REFUSED = [
    ([], "report: name one folder, such as runs/quickstart/version_0"),
    (["a", "b"], "report: name one folder, such as"),
    (["nowhere"], "report: there is no folder 'nowhere'"),
    (["empty"], "'empty' holds no metrics (TensorBoard or metrics.csv), no trajectories/*.jsonl"),
    (["run", "--out", "nowhere/a.html"], "out: 'nowhere/a.html' is no file in a folder that is"),
    (["run", "--out", "empty"], "out: 'empty' is no file in a folder that is there"),
    (["run", "--max_megabytes=7"], "max_megabytes: at least 8, not 7; plotly takes 5"),
    (["damaged"], "trajectories/train.jsonl': line 1 is no JSON"),
    (["summary"], "summary.json' is no JSON object"),
]


@pytest.mark.parametrize(("args", "said"), REFUSED)
def test_refused(
    args: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "run", "damaged/trajectories", "summary"):
        (tmp_path / name).mkdir(parents=True)
    write_records(tmp_path / "run", "train", [record()])
    (tmp_path / "damaged" / "trajectories" / "train.jsonl").write_text("no\n")
    (tmp_path / "summary" / "summary.json").write_text("[1")
    assert main(args) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert not list(tmp_path.rglob("*.html"))


def test_a_failure_beside_a_run_is_one_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = write_records(tmp_path, "train", [record()])
    report_beside(tmp_path)
    assert capsys.readouterr().out == f"report: {tmp_path / 'report.html'}\n"
    page = (tmp_path / "report.html").read_bytes()
    file.write_text("{}\n")
    with pytest.warns(UserWarning, match=r"^no report was written: KeyError: 'stage'$"):
        report_beside(tmp_path)
    assert (tmp_path / "report.html").read_bytes() == page  # the one before is whole
    assert capsys.readouterr().out == ""


def test_two_thousand_trajectories_fit(tmp_path: Path) -> None:
    write_records(tmp_path, "train", many_records(groups=250, size=8, tokens=300, width=96))
    file = tmp_path / "report.html"
    write_report(tmp_path, file)
    assert trajectories(file) == 2000 and len(data(file)["images"]) > 400
    assert file.stat().st_size < 30e6
    assert "whole groups" not in file.read_text(encoding="utf-8")


# Groups of 8, tokens of each trajectory, megabytes, and the most trajectories that can be shown.
LIMITS = [(300, 10, 30, 2000), (100, 600, 10, 800), (4, 600, 8, 32)]


@pytest.mark.parametrize(("groups", "tokens", "megabytes", "most"), LIMITS)
def test_whole_groups_are_left_out_until_the_page_is_small_enough(
    groups: int, tokens: int, megabytes: int, most: int, tmp_path: Path
) -> None:
    write_records(tmp_path, "train", many_records(groups, 8, tokens, width=96))
    file = tmp_path / "report.html"
    write_report(tmp_path, file, megabytes * 10**6)
    assert file.stat().st_size <= megabytes * 10**6
    shown = trajectories(file)
    assert most / 2 <= shown <= most
    assert {len(group["trajectories"]) for group in data(file)["groups"]} == {8}
    left_out = f"{shown:,} of {8 * groups:,} trajectories are shown"
    assert (left_out in file.read_text(encoding="utf-8")) == (shown < 8 * groups)


def test_images_that_do_not_fit_are_said_to_be_left_out(tmp_path: Path) -> None:
    write_records(tmp_path, "train", many_records(2, 2, 10, width=96))
    said = "The images did not fit into this page."
    seen = set()
    for max_bytes in range(60_000, 80_000, 500):
        content = gather(tmp_path, max_bytes)
        if content.groups:  # notes are shown beside them alone
            assert (said in content.notes) == (not content.images)
        seen.add((bool(content.groups), bool(content.images)))
    assert seen == {(False, False), (True, False), (True, True)}


def test_the_docs_example_and_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    folder = tmp_path / "runs" / "quickstart" / "version_0"
    write_records(folder, "train", [record()])
    monkeypatch.chdir(tmp_path)
    exec(code, {})  # noqa: S102
    assert trajectories(folder / "report.html") == 1
    keys = re.findall(r'^  \["([^"]+)", "', (ASSETS / "browser.js").read_text(), re.MULTILINE)
    assert len(keys) > 5
    for key in (one for both in keys for one in both.split(", ")):
        assert f"`{key}`" in text
