"""Lightning's CSV logger for runs that are resumed in their own folder."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

METRICS = "metrics.csv"
Row = dict[str, str]


class ContinuedCSVLogger(CSVLogger):
    """Keeps the rows that are there; Lightning's own deletes them.

    Args:
        save_dir: folder of all runs.
        name: of the run.
        version: of the run; set on the command line where it is left out.
        prefix: of the names of all figures.
        flush_logs_every_n_steps: how often rows are written to the file.
    """

    def __init__(
        self,
        save_dir: str,
        name: str | None = "lightning_logs",
        version: int | str | None = None,
        prefix: str = "",
        flush_logs_every_n_steps: int = 1,
    ) -> None:
        super().__init__(save_dir, name, version, prefix, flush_logs_every_n_steps)

    @property
    def file(self) -> Path:
        """Where the rows are."""
        return Path(self.log_dir) / METRICS

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is not None:
            return self._experiment
        aside = self.file.with_suffix(".part")  # where Lightning does not find it
        if self.file.is_file():
            self.file.replace(aside)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Experiment logs directory")
            writer: Any = super().experiment
        if aside.is_file():
            aside.replace(self.file)
            writer.metrics_keys, rows = _read(self.file)
            self._write(writer.metrics_keys, rows)
        return writer

    @rank_zero_only
    def drop_from(self, batch: int) -> None:
        """Drop the rows of this rollout batch and all later ones. The validation before training,
        whose step is that of the first batch, stays."""
        if self.file.is_file():
            keys, rows = _read(self.file)
            of_batches = f"{self._prefix}{self.LOGGER_JOIN_CHAR}" * bool(self._prefix)
            of_batches += "rollout_step"
            before = rows and int(rows[0]["step"]) == 0 and not rows[0].get(of_batches)
            kept = rows[:1] if before else []
            kept += [row for row in rows[len(kept) :] if int(row["step"]) < batch]
            self._write(keys, kept)

    def _write(self, keys: list[str], rows: list[Row]) -> None:
        aside = self.file.with_suffix(".part")
        with aside.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, keys)
            writer.writeheader()
            writer.writerows(rows)
        aside.replace(self.file)


def _read(file: Path) -> tuple[list[str], list[Row]]:
    """Names of columns, and the rows; not a last one that was cut off."""
    with file.open(newline="", encoding="utf-8") as text:
        lines = [line for line in text if line.endswith("\n")]
    table = csv.DictReader(lines)
    return list(table.fieldnames or ()), list(table)
