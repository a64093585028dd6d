"""Batches of prompts, and of the rollouts that come of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from visionthink_pl.types.samples import UnreadableSample, VQASample
from visionthink_pl.types.trajectories import Group


@dataclass
class PromptBatch:
    """One draw of prompts; ``RolloutCallback`` fills ``rollouts`` before the step sees it.

    Attributes:
        samples: the prompts.
        unreadable: the bad rows of the draw.
        rollouts: what came of the samples.
        place: of a stream, where it stands behind this draw.
        pixels: images that were made ready for the vision tower ahead; whoever runs it takes them.
    """

    samples: list[VQASample]
    unreadable: list[UnreadableSample] = field(default_factory=list)
    rollouts: RolloutBatch | None = None
    place: dict[str, Any] | None = None
    pixels: list[Any] = field(default_factory=list)


@dataclass
class RolloutBatch:
    """What ``RolloutCallback`` hands to a step.

    Attributes:
        groups: all groups that were sampled in this draw, before any filtering.
        draw: index of the draw, counted from 0 over the whole run.
        rollout_s: seconds spent sampling and scoring.
        filtered: the same groups, each without what has no reward or was filtered out.
        kept: groups with signal to train on now, of this draw and of those before it that waited;
            none while more are awaited.
        places: of each of them among those of all ranks.
        kept_total: how many those are.
        waiting: how many wait for more draws, over all ranks.
        surplus: how many were dropped because the batch was full, over all ranks.
        parts: names of the parts of the reward.
    """

    groups: list[Group]
    draw: int
    rollout_s: float
    filtered: list[Group] = field(default_factory=list)
    kept: list[Group] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    kept_total: int = 0
    waiting: int = 0
    surplus: int = 0
    parts: tuple[str, ...] = ()
