"""Writes the page at the end of a fit and of an evaluation."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch.utilities import rank_zero_warn

from visionthink_pl.commands.parsing.error_messages import one_line


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
