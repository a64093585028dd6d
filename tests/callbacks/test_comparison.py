"""The table at the end: first validation against last, by kind of question."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from visionthink_pl.callbacks import ComparisonTable

BEFORE = {
    "accuracy": 0.5,
    "accuracy/digit": 0.125,
    "accuracy/colour": 1.0,
    "resize_rate": 0.0,
    "resize_rate/digit": 0.0,
    "resize_rate/colour": 0.0,
    "visual_token_ratio": 0.25,
    "visual_token_ratio/digit": 0.25,
    "visual_token_ratio/colour": 0.25,
}
AFTER = {
    "accuracy": 0.96,
    "accuracy/digit": 0.9,
    "accuracy/colour": 0.99,
    "resize_rate": 0.5,
    "resize_rate/digit": 1.0,
    "resize_rate/colour": 0.0,
    "visual_token_ratio": 0.75,
    "visual_token_ratio/digit": 1.25,
    "visual_token_ratio/colour": 0.25,
}


def trainer(stage: str, values: dict[str, float], step: int = 0, **more) -> SimpleNamespace:
    """As much of a trainer as the callback looks at."""
    metrics = {f"val/{name}": value for name, value in values.items()}
    return SimpleNamespace(
        sanity_checking=more.get("sanity_checking", False),
        state=SimpleNamespace(fn=stage),
        global_step=step,
        callback_metrics=metrics | {"train/accuracy": 0.3},
        is_global_zero=more.get("is_global_zero", True),
    )


def shown(callback: ComparisonTable) -> list[str]:
    """The lines of the table as a terminal shows them, single spaces between words."""
    console = Console(file=io.StringIO(), width=100)
    console.print(callback.table())
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def row(lines: list[str], kind: str) -> list[str]:
    (line,) = [line for line in lines if line.startswith(f"│ {kind} ")]
    return [cell.strip() for cell in line.split("│")[2:-1]]


def after_both(before: dict[str, float], after: dict[str, float]) -> ComparisonTable:
    callback = ComparisonTable()
    callback.on_validation_end(trainer("validate", before), None)
    callback.on_validation_end(trainer("fit", after, step=80), None)
    return callback


def test_a_row_a_kind_before_and_after() -> None:
    lines = shown(after_both(BEFORE, AFTER))
    assert any("before → step 80" in line for line in lines)
    assert row(lines, "all") == ["0.50 → 0.96", "0.00 → 0.50", "0.25 → 0.75"]
    assert row(lines, "digit") == ["0.12 → 0.90", "0.00 → 1.00", "0.25 → 1.25"]
    assert row(lines, "colour") == ["1.00 → 0.99", "0.00 → 0.00", "0.25 → 0.25"]


def test_a_kind_that_one_side_lacks_is_a_dash() -> None:
    before = {name: value for name, value in BEFORE.items() if not name.endswith("/digit")}
    lines = shown(after_both(before, AFTER))
    assert row(lines, "digit") == ["—", "—", "—"]
    assert row(lines, "colour") == ["1.00 → 0.99", "0.00 → 0.00", "0.25 → 0.25"]


def test_a_single_figure_that_is_missing_is_a_dash() -> None:
    after = {name: value for name, value in AFTER.items() if name != "resize_rate/digit"}
    assert row(shown(after_both(BEFORE, after)), "digit") == ["0.12 → 0.90", "—", "0.25 → 1.25"]


def test_validations_in_between_are_passed_over() -> None:
    callback = after_both(BEFORE, {"accuracy": 0.7})
    callback.on_validation_end(trainer("fit", AFTER, step=160), None)
    lines = shown(callback)
    assert any("before → step 160" in line for line in lines)
    assert row(lines, "all")[0] == "0.50 → 0.96"


def test_a_resumed_run_has_no_before() -> None:
    callback = ComparisonTable()
    for step in (80, 160):
        callback.on_validation_end(trainer("fit", AFTER, step), None)
    assert any("step 80 → step 160" in line for line in shown(callback))


def test_a_sanity_check_is_no_validation() -> None:
    callback = ComparisonTable()
    callback.on_validation_end(trainer("fit", BEFORE, sanity_checking=True), None)
    assert callback.validations == []


# What has happened at the end of fit, and whether the table is printed.
PRINTED = [
    ([], True, False, "nothing was validated"),
    ([BEFORE], True, False, "nothing to compare with"),
    ([BEFORE, AFTER], True, True, "before and after"),
    ([BEFORE, AFTER], False, False, "another rank prints it"),
]


@pytest.mark.parametrize(("validations", "is_global_zero", "printed", "why"), PRINTED)
def test_the_table_is_printed_where_there_are_two_sides(
    capsys: pytest.CaptureFixture[str],
    validations: list[dict[str, float]],
    is_global_zero: bool,
    printed: bool,
    why: str,
) -> None:
    callback = ComparisonTable()
    for values in validations:
        callback.on_validation_end(trainer("fit", values), None)
    callback.on_fit_end(trainer("fit", {}, is_global_zero=is_global_zero), None)
    assert ("visual tokens" in capsys.readouterr().out) == printed, why
