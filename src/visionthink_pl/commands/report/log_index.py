"""What the folder ``trajectories`` of a run or an evaluation holds, group by group."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionthink_pl.types import ConfigError

TRAINING = "training"
PARTS = {"train": TRAINING, "val": "validation", "test": "test", "predict": "prediction"}


@dataclass(frozen=True)
class LoggedGroup:
    """All answers to one question that are shown together: the rollouts of a training batch, a
    question's answers in the first and the last validation, or in all modes of an evaluation.

    Attributes:
        part: training, validation, test or prediction; of an evaluation the benchmark.
        places: of each trajectory the file and the offset of its line, in bytes.
    """

    part: str
    places: tuple[tuple[Path, int], ...]

    def records(self) -> Iterator[dict[str, Any]]:
        """The lines, in order."""
        for file, offset in self.places:
            with file.open("rb") as lines:
                lines.seek(offset)
                yield json.loads(lines.readline())


def index_log(folder: Path) -> list[LoggedGroup]:
    """Look through all files, a line at a time, and remember where each group's lines are.

    Unreadable samples are left out, and so are validations between the first and the last.

    Args:
        folder: with ``*.jsonl``; it need not exist.

    Raises:
        ConfigError: a line is no JSON.
    """
    found: dict[tuple[Any, ...], dict[int, list[tuple[Path, int]]]] = {}
    for file in sorted(folder.glob("*.jsonl")):
        for offset, record in _lines(file):
            if "unreadable" not in record:
                by_step = found.setdefault(_key(record), {})
                by_step.setdefault(record.get("step", 0), []).append((file, offset))
    steps: dict[str, set[int]] = {}
    for (part, *_), by_step in found.items():
        steps.setdefault(part, set()).update(by_step)
    return [
        LoggedGroup(part, places)
        for (part, *_), by_step in found.items()
        if (places := _first_and_last(by_step, part, steps[part]))
    ]


def spread_groups(groups: Sequence[LoggedGroup], most: int) -> list[LoggedGroup]:
    """Groups at equal distances with at most so many trajectories. Each part gets the same share;
    what it does not need goes to the others.

    Args:
        groups: in any order, which stays.
        most: trajectories.
    """
    by_part: dict[str, list[LoggedGroup]] = {}
    for group in groups:
        by_part.setdefault(group.part, []).append(group)
    kept: set[LoggedGroup] = set()
    smallest_first = sorted(by_part.values(), key=trajectories_in)
    for place, own in enumerate(smallest_first):
        share = (most - trajectories_in(list(kept))) // (len(smallest_first) - place)
        count = min(len(own), share * len(own) // trajectories_in(own))
        kept.update(own[index * len(own) // count] for index in range(count))
    return [group for group in groups if group in kept]


def trajectories_in(groups: Sequence[LoggedGroup]) -> int:
    """How many trajectories groups hold."""
    return sum(len(group.places) for group in groups)


def _lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Offset and record of each line; a last line that was cut off is left out."""
    offset = 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield offset, json.loads(line)
            except ValueError as error:
                raise ConfigError(f"{str(file)!r}: line {number} is no JSON") from error
            offset += len(line)


def _key(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the lines of a group share, the part first."""
    if "benchmark" in record:
        return record["benchmark"], record["sample"]
    part = PARTS[record["stage"]]
    return (part, record["sample"], *([record["draw"]] if part == TRAINING else []))


def _first_and_last(
    by_step: Mapping[int, Sequence[tuple[Path, int]]], part: str, steps: set[int]
) -> tuple[tuple[Path, int], ...]:
    wanted = by_step if part == TRAINING else sorted({min(steps), max(steps)} & set(by_step))
    return tuple(place for step in wanted for place in by_step[step])
