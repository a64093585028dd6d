"""Reads validation results from a run's TensorBoard log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

STAGE = "val/"
logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it warns of what a resumed run drops


@dataclass(frozen=True)
class Validation:
    """The results of one validation.

    Attributes:
        batches: rollout batches trained on before it.
        values: metrics by name, without ``val/``.
    """

    batches: int
    values: Mapping[str, float]


def validations(log: Path, batches: int | None) -> tuple[Validation | None, Validation | None]:
    """Read the validation before training, and the last one up to the checkpoint.

    Args:
        log: the run's log folder.
        batches: rollout batches before the checkpoint; ``None`` where unknown.

    Returns:
        ``None`` for one that the log does not hold.
    """
    found: dict[int, dict[str, float]] = {}
    if any(log.glob("events.out.tfevents*")):  # else EventAccumulator searches subfolders
        events = EventAccumulator(str(log), size_guidance={"scalars": 0})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            if tag.startswith(STAGE):
                written = sorted(events.Scalars(tag), key=lambda event: event.wall_time)
                for position, event in enumerate(written):
                    trained = batches_before(position, event.step)
                    found.setdefault(trained, {})[tag.removeprefix(STAGE)] = event.value
    before = Validation(0, found[0]) if 0 in found else None
    later = [trained for trained in found if trained and (batches is None or trained <= batches)]
    return before, Validation(max(later), found[max(later)]) if later else None


def batches_before(position: int, step: int) -> int:
    """Rollout batches that were trained on before a validation: after a batch, values are logged
    under that batch's index.

    Args:
        position: of the value among those of its name in the log.
        step: that it was logged under.
    """
    return 0 if position == step == 0 else step + 1
