"""What is logged: names, kinds, sums and counts.

The names are fixed before the first batch. A mean is logged as the ratio of two sums, and not at
all where nothing was counted: a kind that is absent from a batch has no row for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch

from visionthink_pl.training.evidence import looks_at
from visionthink_pl.training.ranks import gathered
from visionthink_pl.types import Group, RolloutBatch, Trajectory, VQASample

SPLIT_BY_KIND = ("accuracy", "resize_rate")
ACCURACY = "accuracy"
OF_TRAJECTORIES = (
    "invalid_calls",
    "tool_failures",
    "truncated",
    "response_tokens",
    "visual_tokens",
    "looks",
    "evidence",
)
BY_TOOL = ("calls", "failed_calls")


class Tally:
    """Sums and counts under a fixed list of names."""

    def __init__(self, names: Iterable[str]) -> None:
        self._index = {name: row for row, name in enumerate(names)}
        self._totals_R2 = torch.zeros(len(self._index), 2, dtype=torch.float64)

    def add(self, name: str, value: float, count: float = 1) -> None:
        """Add ``value`` to the sum and ``count`` to what it is divided by.

        Raises:
            KeyError: a name that is not on the list.
        """
        self._totals_R2[self._index[name]] += torch.tensor([value, count], dtype=torch.float64)

    @property
    def totals(self) -> dict[str, list[float]]:
        """Sum and count of each name."""
        return dict(zip(self._index, self._totals_R2.tolist(), strict=True))

    @totals.setter
    def totals(self, totals: Mapping[str, Sequence[float]]) -> None:
        rows = [totals[name] for name in self._index]
        self._totals_R2 = torch.tensor(rows, dtype=torch.float64).view(-1, 2)

    def over_ranks(self) -> Tally:
        """The same over all ranks; all of them must ask, with the same names."""
        self._totals_R2 = torch.stack(gathered(self._totals_R2)).sum(0)
        return self

    def means(self) -> dict[str, float]:
        """Sum over count of each name that was counted."""
        totals = self._totals_R2.tolist()
        return {
            name: totals[i][0] / totals[i][1] for name, i in self._index.items() if totals[i][1]
        }


def kinds_of(sample: VQASample) -> tuple[str, ...]:
    """Every kind that a sample is counted under."""
    return (sample.kind, *sample.extra_kinds)


def train_names(kinds: Sequence[str], parts: Sequence[str], tools: Sequence[str] = ()) -> list[str]:
    """Names of what ``tally_rollouts`` counts."""
    names = ["reward", *(f"reward/{part}" for part in parts), "accuracy", "resize_rate"]
    names += [f"{metric}/{kind}" for metric in SPLIT_BY_KIND for kind in kinds]
    names += ["groups_with_signal", "all_correct_with_signal", "dropped_groups"]
    names += ["unscored", "filtered", *OF_TRAJECTORIES, *_by_tool(tools)]
    return [f"train/{n}" for n in names] + [f"kept/{metric}" for metric in SPLIT_BY_KIND]


def _by_tool(tools: Sequence[str]) -> list[str]:
    return [f"{metric}/{tool}" for metric in BY_TOOL for tool in tools]


def rollout_figures(
    rollouts: RolloutBatch, unreadable: int, kinds: Sequence[str]
) -> dict[str, float]:
    """What is logged of one draw in training; all ranks must ask.

    Args:
        rollouts: of this rank.
        unreadable: bad rows of the draw on this rank.
        kinds: that metrics are split by.
    """
    tally = Tally(train_names(kinds, rollouts.parts, rollouts.tools))
    tally_rollouts(tally, rollouts)
    tokens = sum(row.response_tokens for group in rollouts.groups for row in group.trajectories)
    return {
        "time/rollout_s": rollouts.rollout_s,
        "time/scoring_s": rollouts.scoring_s,
        "time/sampled_tokens_per_s": tokens / max(rollouts.rollout_s - rollouts.scoring_s, 1e-9),
        "rollout_step": rollouts.draw,
        "train/unreadable": sum(gathered(unreadable)),
        "train/waiting_groups": rollouts.kept.waiting,
        "train/surplus_groups": rollouts.kept.surplus,
        **tally.over_ranks().means(),
    }


def tally_rollouts(tally: Tally, rollouts: RolloutBatch) -> None:
    """Count all that was sampled (``train/``), and what is trained on now (``kept/``).

    Args:
        tally: made with ``train_names``.
        rollouts: one draw.
    """
    for group in rollouts.groups:
        for index, trajectory in enumerate(group.trajectories):
            _tally_rewards(tally, "train", group, index)
            _tally_trajectory(tally, "train", group, trajectory, rollouts.tools)
            for name, value in _accuracy_and_resize(group, index):
                tally.add(f"train/{name}", value)
                for kind in kinds_of(group.sample):
                    tally.add(f"train/{name}/{kind}", value)
    for group, left, signal in zip(
        rollouts.groups, rollouts.filtered, rollouts.signal, strict=True
    ):
        _tally_signal(tally, group, left, signal)
    for group in rollouts.kept.groups:
        for index in range(len(group.trajectories)):
            for name, value in _accuracy_and_resize(group, index):
                tally.add(f"kept/{name}", value)


def _tally_signal(tally: Tally, group: Group, filtered: Group, signal: bool) -> None:
    """What is left of a group, and whether it teaches anything; and whether, with all of it
    correct, it teaches by other parts alone, which a std makes weigh as much as correctness."""
    scored, left = len(group.scored()[0]), len(filtered.trajectories)
    correct = all(value == 1 for value in filtered.parts.get(ACCURACY, [None]))
    tally.add("train/filtered", scored - left, len(group.trajectories))
    tally.add("train/dropped_groups", left < 2)
    tally.add("train/groups_with_signal", signal)
    tally.add("train/all_correct_with_signal", signal and correct)


def _tally_rewards(tally: Tally, stage: str, group: Group, index: int) -> None:
    reward = group.rewards[index]
    tally.add(f"{stage}/unscored", reward is None)
    if reward is not None:
        tally.add(f"{stage}/reward", reward)
    for part, values in group.parts.items():
        if (value := values[index]) is not None:
            tally.add(f"{stage}/reward/{part}", value)


def _tally_trajectory(
    tally: Tally, stage: str, group: Group, trajectory: Trajectory, tools: Sequence[str]
) -> None:
    tally.add(f"{stage}/invalid_calls", trajectory.invalid_call)
    tally.add(f"{stage}/tool_failures", trajectory.tool_failed)
    tally.add(f"{stage}/truncated", trajectory.truncated)
    tally.add(f"{stage}/response_tokens", trajectory.response_tokens)
    tally.add(f"{stage}/visual_tokens", trajectory.visual_tokens)
    tally.add(f"{stage}/looks", trajectory.looks)
    if evidence := group.sample.evidence:
        tally.add(f"{stage}/evidence", looks_at(trajectory, evidence), trajectory.looks)
    for tool in tools:
        calls = [turn for turn in trajectory.turns if turn.call and turn.call.name == tool]
        tally.add(f"{stage}/calls/{tool}", bool(calls))
        tally.add(f"{stage}/failed_calls/{tool}", any(turn.tool_failure for turn in calls))


def _accuracy_and_resize(group: Group, index: int) -> list[tuple[str, float]]:
    out = [("resize_rate", float(group.trajectories[index].high))]
    accuracy = group.parts[ACCURACY][index] if ACCURACY in group.parts else None
    return out if accuracy is None else [(ACCURACY, accuracy), *out]


def evaluation_names(
    stage: str, kinds: Sequence[str], parts: Sequence[str], tools: Sequence[str] = ()
) -> list[str]:
    """Names of what ``tally_evaluation`` counts."""
    metrics = (*SPLIT_BY_KIND, "visual_token_ratio")
    names = [m for metric in metrics for m in (metric, *(f"{metric}/{kind}" for kind in kinds))]
    names += ["reward", *(f"reward/{part}" for part in parts), "unscored", *OF_TRAJECTORIES]
    return [f"{stage}/{name}" for name in [*names, *_by_tool(tools)]]


def tally_evaluation(
    tally: Tally, stage: str, groups: Sequence[Group], tools: Sequence[str] = ()
) -> None:
    """Count rewards, accuracy, resize rate and visual tokens used over those of one full look, and
    how trajectories went."""
    for group in groups:
        for index, trajectory in enumerate(group.trajectories):
            _tally_trajectory(tally, stage, group, trajectory, tools)
            _tally_rewards(tally, stage, group, index)
            rows = [(name, value, 1) for name, value in _accuracy_and_resize(group, index)]
            rows.append(("visual_token_ratio", trajectory.visual_tokens, group.full_look_tokens))
            for name, value, count in rows:
                tally.add(f"{stage}/{name}", value, count)
                for kind in kinds_of(group.sample):
                    tally.add(f"{stage}/{name}/{kind}", value, count)
