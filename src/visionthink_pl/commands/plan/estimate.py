"""What a step needs: taken with a few layers, and extended to all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from visionthink_pl.commands.plan.ghost import layers_of, skeleton
from visionthink_pl.commands.plan.ledger import Bytes
from visionthink_pl.commands.plan.prompts import openings_of
from visionthink_pl.commands.plan.setup import Setup
from visionthink_pl.commands.plan.step import OBSERVED, Taken, take
from visionthink_pl.rollout.opening import Opening
from visionthink_pl.types import Group

ROLLOUT = ("prompts", "second look", "decoding")
START = ""  # before the step begins


@dataclass(frozen=True)
class Estimate:
    """What a step needs.

    Attributes:
        phases: bytes in use when they are most in that phase, by kind.
        flops: of the whole step, by phase.
        tokens: of the whole step: text and visual tokens read, and tokens generated.
        prompt_tokens: of one prompt, as assumed: text, and visual ones of the first look.
        uncounted: why the optimizer's state is not counted; ``None`` where it is.
    """

    phases: dict[str, Bytes]
    flops: dict[str, float]
    tokens: dict[str, int]
    prompt_tokens: dict[str, int]
    uncounted: str | None = None

    @property
    def phase(self) -> str:
        """Where the step needs most."""
        return max(self.phases, key=lambda phase: self.phases[phase].total())

    @property
    def peak(self) -> int:
        """Bytes that it needs there."""
        return self.phases[self.phase].total()


def estimate(setup: Setup) -> Estimate:
    """Take a step with few layers, and one with some more: at each place bytes grow by as many
    with each layer."""
    openings = openings_of(setup)
    depth = len(layers_of(skeleton(setup.family, setup.path), setup))
    period = max(setup.checkpointing, 1)
    least = max(_special(setup), period) + period  # either end stands for itself
    few = depth % period + period * -(-least // period)
    more = few + period
    if few + more >= depth:
        return _whole(setup, openings, take(setup, openings, depth, depth))
    first, second = (take(setup, openings, layers, edge=period) for layers in (few, more))
    return _whole(setup, openings, _extended(first, second, (depth - few) / period))


def _special(setup: Setup) -> int:
    """How many of the first layers do more than the others: those that DeepStack adds to."""
    tower = skeleton(setup.family, setup.path).config.vision_config.to_dict()
    return len(tower.get("deepstack_visual_indexes", ()))


def _extended(few: Taken, more: Taken, times: float) -> Taken:
    def line(first: float, second: float) -> float:
        return first + times * (second - first)

    peaks = {}
    for place, first in few.peaks.items():
        second = more.peaks[place]
        kinds = first.keys() | second.keys()
        peaks[place] = Counter(
            {kind: max(round(line(first[kind], second[kind])), 0) for kind in kinds}
        )
    flops = {phase: line(few.flops[phase], more.flops[phase]) for phase in few.flops}
    return replace(few, peaks=peaks, flops=flops)


def _whole(setup: Setup, openings: Sequence[Opening], taken: Taken) -> Estimate:
    """With the visual tokens of prompts that are not generated at once, which are kept too."""
    at_once = len(openings)
    features = max(most["features"] for most in taken.peaks.values())
    others = setup.prompts * setup.draws / at_once - 1
    phases: dict[str, Bytes] = {}
    for (phase, _), most in taken.peaks.items():
        if phase in (START, OBSERVED):  # which never needs most
            continue
        if phase not in phases or most.total() > phases[phase].total():
            phases[phase] = most
    for most in phases.values():
        most["features"] += round(others * features)
    rollouts, passes = setup.prompts / at_once, setup.trajectories / taken.trained
    flops = {
        phase: count * (1 if phase == OBSERVED else rollouts if phase in ROLLOUT else passes)
        for phase, count in taken.flops.items()
    }
    if setup.updates > 1 and setup.dtype == torch.bfloat16:  # under the policy that sampled
        flops["forward"] *= 2 - 1 / setup.updates
    length = openings[0].length
    prompt = {"text": length.tokens - length.visual, "visual": length.visual}
    return Estimate(phases, flops, _tokens(taken.groups[0], setup.prompts), prompt, taken.uncounted)


def _tokens(group: Group, prompts: int) -> dict[str, int]:
    """Of so many prompts: read once a prompt, read once a rollout that asks, generated."""
    rows = group.trajectories
    return {
        "prompt": prompts * len(rows[0].prompt_ids),
        "second look": prompts * sum(len(turn.given_ids) for row in rows for turn in row.turns),
        "generated": prompts * sum(row.response_tokens for row in rows),
    }
