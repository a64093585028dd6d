"""Runs ``prepare``: count, select, write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from visionthink_pl.commands.prepare.count import KEPT, SampleCounter, count_all
from visionthink_pl.commands.prepare.empty import refuse_nothing_kept
from visionthink_pl.commands.prepare.histogram import differences, draw_histogram
from visionthink_pl.commands.prepare.in_use import alone_in
from visionthink_pl.commands.prepare.meter import Meter
from visionthink_pl.commands.prepare.record import COUNTS, Record, Row, write_whole
from visionthink_pl.commands.prepare.selection import Selection, Summary, select
from visionthink_pl.commands.prepare.settings import Settings, fingerprint
from visionthink_pl.commands.prepare.write import write_dataset
from visionthink_pl.families.fixed_cost import refuse_fixed_cost
from visionthink_pl.types.memory import JUDGE_REMEDY, memory_for

DATASET, SUMMARY, HISTOGRAM = "dataset", "summary.json", "histogram.png"


def prepare(settings: Settings, config: Mapping[str, Any], console: Console) -> Summary:
    """Count the samples that the record lacks, and write all outputs again.

    Args:
        settings: as built.
        config: the same, as parsed; a resumed run must have the same where counts depend on it.
        console: for progress and the summary.

    Raises:
        ConfigError: ``out`` holds counts made with other settings or another process is at work in
            it, the source has changed, or the model's images cost the same at any size.
        RunStopped: too few rollouts could be scored (earlier counts are kept), or no sample was
            kept (all outputs are written).
    """
    folder = Path(settings.out)
    with alone_in(folder):
        record = Record(folder, fingerprint(settings, config))
        if _unfinished(record, settings):
            _count(settings, record, console)
        selection = select(record.rows.values(), settings)
        write_dataset(folder / DATASET, selection, settings)
        found = differences(record.rows, selection.verdicts)
        draw_histogram(folder / HISTOGRAM, found, settings.rollouts, settings.gain)
        write_whole(folder / SUMMARY, json.dumps(asdict(selection.summary), indent=2) + "\n")
        _show(selection, folder, console)
        refuse_nothing_kept(selection, record.rows, settings)
        return selection.summary


def _unfinished(record: Record, settings: Settings) -> bool:
    """Whether samples are left to count, so that the policy must be loaded."""
    scored = sum(not row.unscored for row in record.rows.values())
    return scored < len(settings.data)


def _count(settings: Settings, record: Record, console: Console) -> None:
    family = settings.policy.model_family
    refuse_fixed_cost(family, "policy.pretrained: no sample would need the full image")
    with memory_for("loading", "the model that judges", [JUDGE_REMEDY], KEPT):
        settings.accuracy.setup()
    sizes = f"the weights of {settings.policy.pretrained} in {settings.policy.precision}"
    remedies = ["set policy.precision to bf16, with another out, or policy.device to cpu"]
    with memory_for("loading", sizes, remedies, KEPT):
        counter = SampleCounter(settings, settings.policy.load(settings.temperature))
    done = sum(not row.unscored for row in record.rows.values())
    with Meter(console, len(settings.data), done) as meter:

        def report(rows: Sequence[Row]) -> None:
            for row in rows:
                if row.unreadable is not None:
                    meter.say(f"sample {row.id} is left out: {row.unreadable}")
            meter.advance(len(rows))

        count_all(settings, counter, record, report)


def _show(selection: Selection, folder: Path, console: Console) -> None:
    table = Table("", "samples", box=None)
    table.columns[1].justify = "right"
    for name, value in asdict(selection.summary).items():
        shown = "unknown" if value is None else f"{value:.3f}" if name == "agreement" else value
        table.add_row(name, str(shown))
    console.print(table)
    for name in (DATASET, SUMMARY, HISTOGRAM, COUNTS):
        console.print(str(folder / name), markup=False, highlight=False, soft_wrap=True)
    if selection.summary.unscored:
        console.print("Run the same command again to roll out the unscored samples again.")
