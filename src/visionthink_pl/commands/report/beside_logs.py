"""Writes the page at the end of a fit and of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning import Trainer
from lightning.pytorch.utilities import rank_zero_warn

from visionthink_pl.callbacks import TrajectoryLog
from visionthink_pl.commands.parsing.error_messages import one_line
from visionthink_pl.types import PolicyLost, RunStopped


@contextmanager
def report_after(trainer: Trainer) -> Iterator[None]:
    """Write the page when what is within has ended, or was stopped on purpose; by one process.

    Args:
        trainer: that trains within.
    """
    try:
        yield
    except (RunStopped, PolicyLost):
        _report(trainer)
        raise
    _report(trainer)


def _report(trainer: Trainer) -> None:
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    log = next(callback for callback in callbacks if isinstance(callback, TrajectoryLog))
    if trainer.is_global_zero and log.folder is not None:
        report_beside(log.folder)


def report_beside(folder: Path) -> None:
    """Write ``report.html`` into a folder of logs, and print where it is. What was trained or
    answered is never lost for it: where it can't be written, a warning says why.

    Args:
        folder: of a run's logs or of an evaluation.
    """
    try:  # plotly and tensorboard are loaded here, when a run has ended
        from visionthink_pl.commands.report.report import REPORT, write_report

        write_report(folder, folder / REPORT)
    except Exception as error:  # noqa: BLE001
        rank_zero_warn(f"no report was written: {one_line(f'{type(error).__name__}: {error}')}")
    else:
        print(f"report: {folder / REPORT}")
