"""What was logged, from TensorBoard's events or a CSV file."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from report_helpers import write_csv, write_events
from visionthink_pl.commands.report.scalars import read_scalars

# A validation before training and one after each of two batches; loggers are given the batch's
# index.


def as_events(folder: Path) -> None:
    """Validating before training and training write a file each."""
    write_events(folder, {"val/accuracy": {0: 0.25}})
    rest = {"train/accuracy": {0: 0.1, 1: 0.2}, "val/accuracy": {0: 0.5, 1: 0.75}}
    write_events(folder, rest)


def as_misnamed_events(folder: Path) -> None:
    """Of two files of one second the tenth of a process is read before the ninth."""
    as_events(folder)
    first, second = sorted(folder.glob("events.*"), key=lambda file: file.stat().st_mtime_ns)
    first.rename(folder / "events.out.tfevents.1700000000.host.1.9")
    second.rename(folder / "events.out.tfevents.1700000000.host.1.10")


def as_csv(folder: Path) -> None:
    rows = [
        {"step": 0, "val/accuracy": 0.25},
        {"step": 0, "epoch": 0, "train/accuracy": 0.1},
        {"step": 0, "epoch": 0, "val/accuracy": 0.5},
        {"step": 1, "epoch": 0, "train/accuracy": 0.2},
        {"step": 1, "epoch": 0, "val/accuracy": 0.75},
    ]
    write_csv(folder, rows)


@pytest.mark.parametrize("write", [as_events, as_misnamed_events, as_csv])
def test_validations_stand_at_the_batches_before_them(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    write(tmp_path)
    found = read_scalars(tmp_path)
    assert set(found) == {"train/accuracy", "val/accuracy"}
    assert found["train/accuracy"] == pytest.approx({0: 0.1, 1: 0.2})
    assert found["val/accuracy"] == pytest.approx({0: 0.25, 1: 0.5, 2: 0.75})


def test_a_resumed_run_has_no_validation_before_training(tmp_path: Path) -> None:
    write_csv(tmp_path, [{"step": 6, "val/accuracy": 0.5}])
    assert read_scalars(tmp_path) == {"val/accuracy": {7: 0.5}}


NOT_FINITE: list[Mapping[str, object]] = [
    {"step": 0, "train/reward": "nan", "lr": "inf"},
    {"step": 1, "train/reward": 1.5, "lr": ""},
]


def test_what_is_not_finite_is_left_out(tmp_path: Path) -> None:
    write_csv(tmp_path, NOT_FINITE)
    assert read_scalars(tmp_path) == {"train/reward": {1: 1.5}}


def test_events_go_before_a_csv_file_and_subfolders_are_not_searched(tmp_path: Path) -> None:
    assert read_scalars(tmp_path) == {}
    write_events(tmp_path / "below", {"train/reward": {0: 1.0}})
    assert read_scalars(tmp_path) == {}
    write_csv(tmp_path, [{"step": 0, "train/reward": 2.0}])
    assert read_scalars(tmp_path) == {"train/reward": {0: 2.0}}
    write_events(tmp_path, {"train/reward": {0: 3.0}})
    assert read_scalars(tmp_path) == {"train/reward": {0: 3.0}}
