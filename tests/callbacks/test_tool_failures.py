"""Calls that end in an error in the tool itself: told, named, counted, and never the end of a run
but where there is nothing else."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers import CALL, CALL_TURN, make_group, make_trajectory, make_turn
from trainer_helpers import SMALL_RUN
from visionthink_pl.callbacks.tool_failures import MOST, ToolFailures
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.types import Group, RunStopped, ToolCall, Turn
from visionthink_pl.visual_tools import ResizeImage, ToolResult, ViewState

RIGHT = make_turn(CALL_TURN, CALL)
REFUSED = make_turn(CALL_TURN, CALL, "Not now.")
INVALID = make_turn(CALL_TURN, None, "There is no such tool.")
FAILED = replace(make_turn(CALL_TURN, CALL, "The tool failed."), tool_failure="T.run raised E: 1")
OTHER = replace(FAILED, call=ToolCall("zoom", {}))


def group(*turns: Turn) -> Group:
    return make_group([make_trajectory("7", turns)])


def test_each_kind_is_named_once() -> None:
    failures = ToolFailures()
    with pytest.warns(UserWarning, match="T.run raised E: 1. The model was told") as warned:
        failures.see([group(FAILED, FAILED)])
    failures.see([group(replace(FAILED, tool_failure="T.run raised E: 2"))])
    assert len(warned) == 1
    with pytest.warns(UserWarning, match="raised F"):
        failures.see([group(replace(FAILED, tool_failure="T.run raised F: 1"))])


@pytest.mark.filterwarnings("ignore:T.run")
@pytest.mark.parametrize(
    ("between", "stops"),
    [([], True), ([REFUSED, INVALID, OTHER], True), ([RIGHT], False)],
    ids=["nothing else", "what is no success of it", "a success"],
)
def test_a_tool_that_always_fails_stops_the_run(between: list[Turn], stops: bool) -> None:
    failures = ToolFailures()
    failures.see([group(*[FAILED] * (MOST - 1))])
    failures.see([group(*between)])
    if not stops:
        return failures.see([group(*[FAILED] * (MOST - 1))])
    with pytest.raises(RunStopped, match=f"resize_image has failed {MOST} times in a row"):
        failures.see([group(FAILED)])
    return None


class Breaks(ResizeImage):
    """Fails at every call, or at every other one.

    Args:
        always: at every call.
    """

    def __init__(self, always: bool = False) -> None:
        self._always, self._calls = always, 0

    def run(self, state: ViewState, arguments: Mapping[str, Any]) -> ToolResult:
        self._calls += 1
        if self._always or self._calls % 2:
            raise ZeroDivisionError("division by zero")
        return super().run(state, arguments)


def fit(always: bool, batches: int) -> int:
    tool = f"[{{class_path: callbacks.test_tool_failures.Breaks, init_args: {{always: {always}}}}}]"
    more = f"  tools: {tool}\n"
    Path("small.yaml").write_text(
        SMALL_RUN.replace("limit_train_batches: 1", f"limit_train_batches: {batches}").replace(
            "length: 8", f"length: {8 * batches}"
        )
        + more
    )
    return main(["fit", "--config", "small.yaml"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    return tmp_path


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:Breaks.run raised")
def test_a_fit_goes_on(folder: Path) -> None:
    assert fit(always=False, batches=2) == 0
    (file,) = folder.rglob("metrics.csv")
    with file.open() as rows:
        shares = [float(row["train/tool_failures"]) for row in csv.DictReader(rows)]
    assert len(shares) == 2 and all(0 < share < 0.5 for share in shares)


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:Breaks.run raised")
def test_a_fit_whose_tool_always_fails_stops_with_a_checkpoint(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(always=True, batches=20) == 1
    error = capsys.readouterr().err
    assert "the tool resize_image has failed 50 times in a row" in error
    assert "ZeroDivisionError: division by zero" in error and "Traceback" not in error
    assert [*folder.rglob("stopped.ckpt")]
