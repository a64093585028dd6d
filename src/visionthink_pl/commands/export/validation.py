"""Validation before and after training, from the run's TensorBoard log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

STAGE = "val/"


@dataclass(frozen=True)
class Validation:
    """What one validation found.

    Attributes:
        batches: rollout batches trained on before it.
        values: metrics by name, ``val/`` taken off.
    """

    batches: int
    values: Mapping[str, float]


def validations(log: Path, batches: int | None) -> tuple[Validation | None, Validation | None]:
    """The validation before training, and the last one that can be the checkpoint's.

    Args:
        log: the run's log folder.
        batches: those that the checkpoint was trained on; ``None`` where nobody knows.

    Returns:
        ``None`` for what the log does not hold.
    """
    found: dict[int, dict[str, float]] = {}
    if any(log.glob("events.out.tfevents*")):  # or it would look into the folders below
        events = EventAccumulator(str(log), size_guidance={"scalars": 0})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            if tag.startswith(STAGE):
                for place, event in enumerate(events.Scalars(tag)):
                    # Behind a batch, a value is written by that batch's index.
                    trained = 0 if place == event.step == 0 else event.step + 1
                    found.setdefault(trained, {})[tag.removeprefix(STAGE)] = event.value
    before = Validation(0, found[0]) if 0 in found else None
    later = [trained for trained in found if trained and (batches is None or trained <= batches)]
    return before, Validation(max(later), found[max(later)]) if later else None
