"""Reads the answers of an evaluation or of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionthink_pl.callbacks.trajectory_files import FOLDER, read_records
from visionthink_pl.commands.evaluate.results import BenchmarkResult
from visionthink_pl.commands.evaluate.summary import results_of
from visionthink_pl.types import ConfigError

VALIDATION = "validation"
SUMMARY = "summary.json"


@dataclass(frozen=True)
class AnsweredRun:
    """A run whose answers are compared.

    Attributes:
        name: its folder, as it was named.
        results: by mode and benchmark; of a training run its last validation.
        validations: of a training run, the records of each validation, by optimizer step.
    """

    name: str
    results: Mapping[str, Mapping[str, BenchmarkResult]]
    validations: Mapping[int, Sequence[Mapping[str, Any]]]


def read_run(name: str, seed: int) -> AnsweredRun:
    """Read the answers in a folder.

    Args:
        name: an evaluation's folder, or the log folder of a training run.
        seed: of intervals.

    Raises:
        ConfigError: there are none.
    """
    folder = Path(name)
    validation = folder / FOLDER / "val.jsonl"
    if (folder / SUMMARY).is_file():
        files = sorted((folder / FOLDER).glob("*.jsonl"))
        records = {file.stem: list(read_records(file)) for file in files}
        return AnsweredRun(name, _results(records, seed), {})
    if not validation.is_file():
        raise ConfigError(
            f"{name!r} holds neither an evaluation ({SUMMARY}) nor the validations of a training "
            f"run ({FOLDER}/val.jsonl); name the folder that evaluate wrote, or a run's version_N"
        )
    by_step: dict[int, list[Mapping[str, Any]]] = {}
    for record in read_records(validation):
        by_step.setdefault(record["step"], []).append(_as_evaluated(record))
    if not by_step:
        raise ConfigError(f"{str(validation)!r} holds no validation")
    last = {VALIDATION: by_step[max(by_step)]}
    return AnsweredRun(name, _results(last, seed), dict(sorted(by_step.items())))


def _as_evaluated(record: Mapping[str, Any]) -> dict[str, Any]:
    """A validation's record as ``evaluate`` would have written it."""
    return {
        "benchmark": VALIDATION,
        "unit": record["sample"],
        "extra": {},
        **record,
        "parts": {"accuracy": None, **record["parts"]},
    }


def _results(
    records: Mapping[str, Sequence[Mapping[str, Any]]], seed: int
) -> Mapping[str, Mapping[str, BenchmarkResult]]:
    names = dict.fromkeys(line["benchmark"] for lines in records.values() for line in lines)
    return results_of(records, names, seed)
