"""From scored groups to trajectories with advantages, in optimizer steps and micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch

from visionthink_pl.training.advantages import Advantages, checked
from visionthink_pl.types import Group, Kept, Trajectory


@dataclass(frozen=True)
class Credited:
    """A trajectory with the advantage it has over its group.

    Attributes:
        advantage: of its last turn, and of all where ``by_turn`` is empty.
        by_turn: of each turn, where they differ.
        sample: the id of its prompt, for messages.
        old_logprobs: of its generated ids under the policy that sampled, in nats; ``None``
            where that is still the policy.
    """

    trajectory: Trajectory
    advantage: float
    sample: str = ""
    old_logprobs: list[float] | None = None
    by_turn: tuple[float, ...] = ()

    @property
    def advantages(self) -> list[float]:
        """Of each generated id."""
        turns = self.trajectory.turns
        values = self.by_turn or (self.advantage,) * len(turns)
        pairs = zip(values, turns, strict=True)
        return [value for value, turn in pairs for _ in turn.generated_ids]


def credit(groups: Sequence[Group], advantages: Advantages) -> list[Credited]:
    """The scored trajectories, group by group: neighbours share their prompt.

    Raises:
        RunStopped: ``advantages`` returned something else.
    """
    out = []
    for group in groups:
        trajectories, rewards = group.scored()
        rewards_G = torch.tensor(rewards, dtype=torch.float64)
        scored = group.only([reward is not None for reward in group.rewards])
        advantages_G = checked(advantages, advantages(rewards_G, scored), scored)
        pairs = zip(trajectories, advantages_G.tolist(), strict=True)
        out += [_credited(trajectory, value, group.sample.id) for trajectory, value in pairs]
    return out


def _credited(trajectory: Trajectory, value: float | list[float], sample: str) -> Credited:
    if not isinstance(value, list):
        return Credited(trajectory, value, sample)
    by_turn = tuple(value[: len(trajectory.turns)])
    return Credited(trajectory, by_turn[-1], sample, by_turn=by_turn)


def split(kept: Kept, steps: int) -> list[list[Group]]:
    """Neighbouring groups, one part for each optimizer step; sizes, counted over all ranks, differ
    by one at most. Fewer groups than steps make a step each."""
    steps = min(steps, kept.total)
    ends = [kept.total * (index + 1) // steps for index in range(steps)]
    own = list(zip(kept.indices, kept.groups, strict=True))
    return [
        [group for index, group in own if start <= index < end]
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def micro_batches(rows: Sequence[Credited], size: int) -> list[list[Credited]]:
    """Up to ``size`` rows each, in order; a group that fits into one is not divided."""
    out: list[list[Credited]] = []
    for _, neighbours in groupby(rows, key=lambda row: id(row.trajectory.prompt_ids)):
        group = list(neighbours)
        if not out or len(out[-1]) + len(group) > size:
            out.append([])
        for row in group:
            if len(out[-1]) == size:
                out.append([])
            out[-1].append(row)
    return out
