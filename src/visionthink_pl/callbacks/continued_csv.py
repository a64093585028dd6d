"""Lightning's CSV logger for runs that are resumed in their own folder."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger

METRICS = "metrics.csv"


class ContinuedCSVLogger(CSVLogger):
    """Keeps the rows that are there; Lightning's own deletes them.

    Args:
        save_dir: folder of all runs.
        name: of the run.
        version: of the run; set on the command line where it is left out.
        resumed_at: rollout batches that the resumed run begins with; rows of later ones, which it
            writes again, are dropped. ``None`` keeps all.
    """

    def __init__(
        self,
        save_dir: str,
        name: str | None = "lightning_logs",
        version: int | str | None = None,
        resumed_at: int | None = None,
    ) -> None:
        super().__init__(save_dir, name, version)
        self._resumed_at = resumed_at

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is not None:
            return self._experiment
        rows = [row for row in _rows(Path(self.log_dir) / METRICS) if self._keeps(row)]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Experiment logs directory")
            writer: Any = super().experiment
        writer.metrics += rows
        writer.save()
        return writer

    def _keeps(self, row: dict[str, str]) -> bool:
        return self._resumed_at is None or int(row["step"]) < self._resumed_at


def _rows(file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        read = list(csv.DictReader(lines))
    return [{key: value for key, value in row.items() if value} for row in read]
