"""``python -m visionthink_pl report FOLDER``: a run or an evaluation as one page that opens
offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge
from jsonargparse import ArgumentParser

from visionthink_pl.commands.prepare.record import write_whole
from visionthink_pl.commands.report.contents import gather
from visionthink_pl.commands.report.report_page import render
from visionthink_pl.commands.verb import checked, exit_code, new_parser, parsed
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import check_fields

REPORT = "report.html"
MEGABYTE = 10**6


@dataclass(frozen=True)
class ReportOptions:
    """Write a run or an evaluation as one page that opens offline.

    Args:
        folder: a run's log folder, such as ``runs/quickstart/version_0``, or an evaluation's.
        out: file to write; by default ``report.html`` in that folder.
        max_megabytes: size of the page: fewer trajectories and smaller images keep it below.
    """

    folder: str
    out: str | None = None
    max_megabytes: Annotated[int, Ge(8), "plotly takes 5"] = 30

    def __post_init__(self) -> None:
        check_fields(self)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process by default); return the exit code."""
    return exit_code(lambda: run(parse(args)))


def parse(args: Sequence[str] | None) -> ReportOptions:
    """Parse the command line.

    Raises:
        ConfigError: it can't be parsed.
    """
    given, parser = checked("report", args), new_parser("report", ArgumentParser)
    parser.add_argument("folder", nargs="*", help="Of a run's logs or of an evaluation.")
    parser.add_class_arguments(ReportOptions, skip={"folder"})
    found = parsed(parser, given).as_dict()
    if len(found["folder"]) != 1:
        raise ConfigError("report: name one folder, such as runs/quickstart/version_0")
    return ReportOptions(**found | {"folder": found["folder"][0]})


def run(options: ReportOptions) -> None:
    """Write the page, and print where it is.

    Raises:
        ConfigError: the folder holds nothing to show, or the file can't be written.
    """
    folder = Path(options.folder)
    if not folder.is_dir():
        raise ConfigError(f"report: there is no folder {options.folder!r}")
    file = folder / REPORT if options.out is None else Path(options.out)
    if file.is_dir() or not file.parent.is_dir():
        raise ConfigError(f"out: {str(file)!r} is no file in a folder that is there")
    write_report(folder, file, options.max_megabytes * MEGABYTE)
    print(f"report: {file}")


def write_report(folder: Path, file: Path, max_bytes: int = 30 * MEGABYTE) -> None:
    """Write the page, complete or not at all.

    Args:
        folder: of a run's logs or of an evaluation.
        file: to write.
        max_bytes: of the file.

    Raises:
        ConfigError: the folder holds nothing to show.
    """
    write_whole(file, render(gather(folder, max_bytes)))
