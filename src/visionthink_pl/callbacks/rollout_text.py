"""Groups and answers in Markdown, as TensorBoard shows it. What a model wrote is text there."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from visionthink_pl.types import Group, Trajectory, Turn
from visionthink_pl.types.readable import readable

LONGEST = 2000  # characters of a turn
LINES = "\t\n"


def describe(group: Group, advantages: Mapping[int, float]) -> str:
    """The question, a row for each trajectory, and what each has said.

    Args:
        group: scored.
        advantages: of trajectories that were trained on, by ``id``.
    """
    sample = group.sample
    truths = "\n\n".join(map(code, sample.answers))
    turns = "\n\n".join(
        f"**rollout {number}**\n\n{said(trajectory.turns)}"
        for number, trajectory in enumerate(group.trajectories)
    )
    return (
        f"{_heading(group)}\n\n{code(sample.question)}\n\n"
        f"ground truth:\n\n{truths}\n\n{_table(group, advantages)}\n\n{turns}"
    )


def wrong_answer(group: Group) -> str:
    """A question that was answered wrongly, and what was said."""
    trajectory = group.trajectories[0]
    truths = "\n\n".join(map(code, group.sample.answers))
    return (
        f"{_heading(group)}\n\nlooked {_looked(trajectory)}, ended: {trajectory.stop}\n\n"
        f"{code(group.sample.question)}\n\nground truth:\n\n{truths}\n\n"
        f"{said(trajectory.turns)}"
    )


def _heading(group: Group) -> str:
    """Which sample it is. A row's id and kind are text as well."""
    return code(f"{group.sample.id} ({group.sample.kind})")


def said(turns: Sequence[Turn]) -> str:
    """The turns of a trajectory."""
    return "\n\n".join(
        f"turn {number}\n\n{code(turn.text)}" for number, turn in enumerate(turns, 1)
    )


def code(text: str) -> str:
    """As a code block, characters visible that can't be seen: TensorBoard would render tags and
    asterisks as markup, and its writer fails on lone surrogates."""
    short = text if len(text) <= LONGEST else f"{text[:LONGEST]} [...]"
    return f"<pre>{html.escape(readable(short, LINES))}</pre>"


def _table(group: Group, advantages: Mapping[int, float]) -> str:
    parts = list(group.parts)
    head = ["rollout", "looked", "ended", *parts, "reward", "advantage"]
    lines = [head, ["---"] * len(head)]
    for index, trajectory in enumerate(group.trajectories):
        values = [group.parts[part][index] for part in parts]
        values += [group.rewards[index], advantages.get(id(trajectory))]
        row = [str(index), _looked(trajectory), str(trajectory.stop), *map(_number, values)]
        lines.append(row)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _looked(trajectory: Trajectory) -> str:
    times = trajectory.looks + 1
    return {1: "once", 2: "twice"}.get(times, f"{times} times")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
