"""``python -m visionthink_pl compare RUN RUN ...``: what differs between runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from visionthink_pl.commands.compare.answered_runs import AnsweredRun, read_run
from visionthink_pl.commands.compare.comparison_picture import draw_runs
from visionthink_pl.commands.compare.differences import RunDifference, differences
from visionthink_pl.commands.evaluate.summary import summarise
from visionthink_pl.commands.evaluate.tables import COLUMNS, cells
from visionthink_pl.commands.prepare.record import write_whole
from visionthink_pl.commands.verb import checked, exit_code, new_parser, parsed
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import NonNegativeInt, Seed, check_fields

COMPARISON, PICTURE = "compare.json", "compare.png"


@dataclass(frozen=True)
class CompareOptions:
    """Compare evaluations, or training runs by their last validation.

    Args:
        runs: folders that ``evaluate`` wrote, or log folders of training runs; each is compared
            with the first.
        changed: how many of the questions are listed whose answer became right, and wrong.
        out: folder for ``compare.json`` and ``compare.png``; by default neither is written.
        seed: of tests and intervals.
    """

    runs: tuple[str, ...]
    changed: NonNegativeInt = 5
    out: str | None = None
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if len(self.runs) < 2:
            raise ConfigError("compare: name two runs or more")


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process by default); return the exit code."""
    return exit_code(lambda: compare(parse(args), Console()))


def parse(args: Sequence[str] | None) -> CompareOptions:
    """Parse the command line.

    Raises:
        ConfigError: it can't be parsed.
    """
    given, parser = checked("compare", args), new_parser("compare", ArgumentParser)
    parser.add_argument("runs", nargs="*", help="Folders of evaluations or training runs.")
    parser.add_class_arguments(CompareOptions, skip={"runs"})
    found = parsed(parser, given).as_dict()
    return CompareOptions(**found | {"runs": tuple(found["runs"])})


def compare(options: CompareOptions, console: Console) -> None:
    """Print tables, and write them and the picture where asked.

    Raises:
        ConfigError: a folder holds no answers, or two runs share no question.
    """
    runs = [read_run(name, options.seed) for name in options.runs]
    found = [
        difference for other in runs[1:] for difference in differences(runs[0], other, options.seed)
    ]
    summaries = {run.name: summarise(run.results, options.seed)["modes"] for run in runs}
    console.print(_runs(summaries))
    console.print(_tests(found))
    for difference in found:
        _list_changes(difference, options.changed, console)
    if options.out is not None:
        _write(Path(options.out), runs, summaries, found, console)


def _runs(summaries: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("mode", no_wrap=True, vertical="bottom")
    table.add_column("run", overflow="fold", vertical="bottom")
    for heading in COLUMNS:
        table.add_column(heading, justify="right", vertical="bottom")
    modes = dict.fromkeys(mode for of in summaries.values() for mode in of)
    for mode in modes:
        for name, of in summaries.items():
            if mode in of:
                table.add_row(mode, name, *cells(of[mode]))
    return table


def _tests(found: Sequence[RunDifference]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    table.add_column("paired test against the first run", overflow="fold")
    for heading in ("questions", "difference", "p"):
        table.add_column(heading, justify="right", vertical="bottom")
    for one in found:
        label = f"{one.mode}: {one.runs[1]}"
        table.add_row(label, str(one.shared), f"{one.difference:+.3f}", f"{one.p:.4f}")
    return table


def _list_changes(difference: RunDifference, most: int, console: Console) -> None:
    for what, changes in (("better", difference.gained), ("worse", difference.lost)):
        if not changes or not most:
            continue
        console.print(f"{difference.mode}, {difference.runs[1]}: {what} on {len(changes)}")
        for change in changes[:most]:
            line = (
                f"  {change['sample']}: {change['question']!r}, right is "
                f"{' or '.join(map(repr, change['truths']))}; was {change['before']!r}, is "
                f"{change['after']!r}"
            )
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _write(
    out: Path,
    runs: Sequence[AnsweredRun],
    summaries: dict[str, Any],
    found: Sequence[RunDifference],
    console: Console,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    values = {"runs": summaries, "differences": [asdict(one) for one in found]}
    write_whole(out / COMPARISON, json.dumps(values, indent=2) + "\n")
    draw_runs(out / PICTURE, runs)
    for name in (COMPARISON, PICTURE):
        console.print(str(out / name), markup=False, highlight=False, soft_wrap=True)
