"""The CSV logger of runs that are resumed in their own folder."""

import csv
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger

from visionthink_pl.callbacks import ContinuedCSVLogger


def write_rows(
    kind: type[CSVLogger],
    folder: Path,
    rows: list[dict[str, Any]],
    resumed_at: int | None = None,
    prefix: str = "",
) -> None:
    found = kind(str(folder), "mine", 0, prefix)
    assert found.experiment is not None
    if isinstance(found, ContinuedCSVLogger) and resumed_at is not None:
        found.drop_from(resumed_at)
    for row in rows:
        found.log_metrics({k: v for k, v in row.items() if k != "step"}, row["step"])
        found.save()


FIRST = [{"step": n, "rollout_step": n, "loss": 0.1 * n} for n in range(4)]
FIRST.insert(2, {"step": 1, "val/accuracy": 0.5})  # behind the batch of that step
FIRST.append({"step": 3, "val/accuracy": 0.6})
AGAIN = [{"step": n, "rollout_step": n, "loss": 9.0, "more": 1.0} for n in (2, 3)]


def test_rows_are_kept_and_those_written_again_are_not(tmp_path: Path) -> None:
    write_rows(ContinuedCSVLogger, tmp_path, FIRST)
    write_rows(ContinuedCSVLogger, tmp_path, AGAIN, resumed_at=2)
    with (tmp_path / "mine" / "version_0" / "metrics.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["step"], row["loss"], row["val/accuracy"]) for row in rows] == [
        ("0", "0.0", ""),
        ("1", "0.1", ""),
        ("1", "", "0.5"),
        ("2", "9.0", ""),
        ("3", "9.0", ""),
    ]


BEFORE = {"step": 0, "val/accuracy": 0.25}
# What was logged, where the run is resumed, and which of it stays.
KEPT = [
    ([BEFORE, *FIRST], 0, [BEFORE]),
    (FIRST, 0, []),
    ([BEFORE, *FIRST], 1, [BEFORE, FIRST[0]]),
    (FIRST, None, FIRST),
]


@pytest.mark.parametrize(("logged", "at", "stays"), KEPT)
@pytest.mark.parametrize("prefix", ["", "my"])
def test_what_stays(
    tmp_path: Path, logged: list[Any], at: int | None, stays: list[Any], prefix: str
) -> None:
    write_rows(ContinuedCSVLogger, tmp_path, logged, prefix=prefix)
    write_rows(ContinuedCSVLogger, tmp_path, [{"step": 9}], resumed_at=at, prefix=prefix)
    with (tmp_path / "mine" / "version_0" / "metrics.csv").open() as lines:
        steps = [row["step"] for row in csv.DictReader(lines)]
    assert steps == [str(row["step"]) for row in stays] + ["9"]


def test_a_row_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    write_rows(ContinuedCSVLogger, tmp_path, FIRST)
    file = tmp_path / "mine" / "version_0" / "metrics.csv"
    file.write_bytes(file.read_bytes() + b"4.0,4,1")  # of step 12, for example
    write_rows(ContinuedCSVLogger, tmp_path, [{"step": 5, "loss": 1.0}], resumed_at=5)
    with file.open() as lines:
        assert [row["step"] for row in csv.DictReader(lines)][-3:] == ["3", "3", "5"]


def test_rows_that_were_put_aside_are_found_again(tmp_path: Path) -> None:
    """Killed between the moments in which they are."""
    write_rows(ContinuedCSVLogger, tmp_path, FIRST)
    file = tmp_path / "mine" / "version_0" / "metrics.csv"
    file.replace(file.with_suffix(".part"))
    write_rows(ContinuedCSVLogger, tmp_path, AGAIN)
    with file.open() as lines:
        assert len(list(csv.DictReader(lines))) == len(FIRST) + len(AGAIN)
    assert [each.name for each in file.parent.glob("metrics*")] == ["metrics.csv"]


def test_lightning_s_own_loses_them(tmp_path: Path) -> None:
    """The control."""
    write_rows(CSVLogger, tmp_path, FIRST)
    write_rows(CSVLogger, tmp_path, AGAIN)
    with (tmp_path / "mine" / "version_0" / "metrics.csv").open() as lines:
        assert len(list(csv.DictReader(lines))) == 2
