"""What a run has logged as numbers, from its TensorBoard events or ``metrics.csv``."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from visionthink_pl.commands.export.validation import STAGE, batches_before

Scalars = Mapping[str, Mapping[int, float]]  # by name, by rollout batches trained on before
NUMBERS_ONLY = {"scalars": 0, "images": 1, "tensors": 1, "audio": 1, "histograms": 1}


def read_scalars(folder: Path) -> Scalars:
    """Read all finite values.

    Args:
        folder: the run's log folder.

    Returns:
        Nothing where the folder holds no log. What was measured in training batch ``n`` stands at
        ``n``; a validation at the number of batches before it.
    """
    found: dict[str, dict[int, float]] = {}
    counts: dict[str, int] = {}
    for name, step, value in _logged(folder):
        position = counts.get(name, 0)
        counts[name] = position + 1
        at = batches_before(position, step) if name.startswith(STAGE) else step
        if math.isfinite(value):
            found.setdefault(name, {})[at] = value
    return found


def _logged(folder: Path) -> Iterator[tuple[str, int, float]]:
    if any(folder.glob("events.out.tfevents*")):  # else EventAccumulator searches subfolders
        events = EventAccumulator(str(folder), size_guidance=NUMBERS_ONLY)
        events.Reload()
        for name in events.Tags()["scalars"]:
            # Files are read by name, which within a second is not the order they were written in.
            for event in sorted(events.Scalars(name), key=lambda event: event.wall_time):
                yield name, event.step, event.value
    elif (file := folder / "metrics.csv").is_file():
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                for name, text in row.items():
                    if text and name not in ("step", "epoch"):
                        yield name, int(row["step"]), float(text)
