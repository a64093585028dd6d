"""Batches of prompts, and of the rollouts that come of them."""

from __future__ import annotations

from collections.abc import Sequence
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
        position: of a stream, after this draw.
        pixels: images that were made ready for the vision tower ahead; whoever runs it takes them.
    """

    samples: list[VQASample]
    unreadable: list[UnreadableSample] = field(default_factory=list)
    rollouts: RolloutBatch | None = None
    position: dict[str, Any] | None = None
    pixels: list[Any] = field(default_factory=list)

    def to(self, device: object) -> PromptBatch:
        """Itself: Lightning asks for the batch on a device, and the policy moves what it computes
        with."""
        return self


@dataclass(frozen=True)
class Kept:
    """The groups that are trained on now.

    Attributes:
        groups: those of this rank, of this draw and of those before it that waited; none while
            more are awaited.
        indices: of each of them among those of all ranks: draw by draw, and in a draw rank by
            rank, which is the order that a single process would have them in.
        total: how many there are, over all ranks.
        waiting: how many wait for more draws, over all ranks.
        surplus: how many were dropped because the batch was full, over all ranks.
    """

    groups: Sequence[Group] = ()
    indices: Sequence[int] = ()
    total: int = 0
    waiting: int = 0
    surplus: int = 0


@dataclass
class RolloutBatch:
    """What ``RolloutCallback`` hands to a step.

    Attributes:
        groups: all groups that were sampled in this draw, before any filtering.
        draw: index of the draw, counted from 0 over the whole run.
        rollout_s: seconds spent sampling and scoring.
        scoring_s: seconds among them from the last trajectory's end on: what rewards took that
            did not run beside the rollout, such as the wait for a judge.
        step: optimizer steps that the weights which sampled had taken.
        parts: names of the parts of the reward.
        tools: names of the tools that may be offered.
        filtered: the same groups, each without what has no reward or was filtered out; in training
            alone, as what follows.
        signal: whether each of these teaches anything: its rewards differ.
        kept: what is trained on now.
    """

    groups: list[Group]
    draw: int
    rollout_s: float
    scoring_s: float = 0.0
    step: int = 0
    parts: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    filtered: list[Group] = field(default_factory=list)
    signal: list[bool] = field(default_factory=list)
    kept: Kept = Kept()  # noqa: RUF009 (frozen)
