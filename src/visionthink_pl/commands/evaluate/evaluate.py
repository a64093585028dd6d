"""``python -m visionthink_pl evaluate --config X.yaml --model.ckpt CKPT --out DIR``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from rich.console import Console

from visionthink_pl.commands.answering.model_options import in_full
from visionthink_pl.commands.answering.modes import ADAPTIVE
from visionthink_pl.commands.evaluate.evaluation_run import Evaluation
from visionthink_pl.commands.evaluate.evaluation_settings import EvaluationSettings
from visionthink_pl.commands.evaluate.picture import draw_modes
from visionthink_pl.commands.evaluate.summary import against, results_of, summarise
from visionthink_pl.commands.evaluate.tables import benchmarks_table, modes_table, tests_table
from visionthink_pl.commands.prepare.record import write_whole
from visionthink_pl.commands.report.beside_logs import report_beside
from visionthink_pl.commands.verb import built, checked, exit_code, new_parser, parsed

SUMMARY, PICTURE = "summary.json", "modes.png"
STOPPED_BY_USER = 130


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process by default); return the exit code."""
    try:
        return exit_code(lambda: run(args))
    except KeyboardInterrupt:
        print("stopped; the same command resumes from here")
        return STOPPED_BY_USER


def run(args: Sequence[str] | None) -> dict[str, Any]:
    """Parse, answer, sum up; the summary.

    Raises:
        ConfigError: something in the config can't work.
    """
    given, parser = in_full(checked("evaluate", args)), new_parser("evaluate", ArgumentParser)
    parser.add_argument("--config", action="config", help="YAML file with the options below.")
    parser.add_class_arguments(EvaluationSettings)
    config = parsed(parser, given)

    def settings() -> EvaluationSettings:
        objects = parser.instantiate(config)
        return EvaluationSettings(
            **{field.name: objects[field.name] for field in fields(EvaluationSettings)}
        )

    return evaluate(built(settings, config.as_dict()), config.as_dict(), Console())


def evaluate(
    settings: EvaluationSettings, config: dict[str, Any], console: Console
) -> dict[str, Any]:
    """Answer what is not answered yet, and write summary, picture and report.

    Args:
        settings: as built.
        config: the same, as parsed.
        console: for progress and tables.
    """
    folder = Path(settings.out)
    evaluation = Evaluation(settings, config, console)
    records = evaluation.run()
    benchmarks = {name: each.benchmark for name, each in settings.benchmarks.items()}
    results = results_of(records, benchmarks, settings.seed)
    summary = {"model": settings.model.ckpt} | summarise(results, settings.seed)
    if settings.baseline is not None:
        summary["tests"] += against(Path(settings.baseline), results, settings.seed)
    write_whole(folder / SUMMARY, json.dumps(summary, indent=2) + "\n")
    draw_modes(folder / PICTURE, summary)
    _show(summary, folder, console)
    report_beside(folder)
    return summary


def _show(summary: dict[str, Any], folder: Path, console: Console) -> None:
    console.print(modes_table(summary))
    shown = ADAPTIVE if ADAPTIVE in summary["modes"] else next(iter(summary["modes"]))
    console.print(benchmarks_table(summary, shown))
    if summary["tests"]:
        console.print(tests_table(summary))
    for name in (SUMMARY, PICTURE):
        console.print(str(folder / name), markup=False, highlight=False, soft_wrap=True)
