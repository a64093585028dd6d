"""What a trajectory looked at, and with what words, for people."""

from __future__ import annotations

from visionthink_pl.rollout.replies import THOUGHT_TAGS, split_thought
from visionthink_pl.types import Group, Trajectory


def printable_line(text: str) -> str:
    """A model's text on one line, without control characters, which a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def answer_line(trajectory: Trajectory) -> str:
    """The answer, or why there is none."""
    if trajectory.answer is None:
        return f"none ({str(trajectory.stop).replace('_', ' ')})"
    return printable_line(trajectory.answer)


def second_look_line(trajectory: Trajectory, call_tags: tuple[str, str]) -> str:
    """Whether the image was looked at twice, and the thought behind it.

    Args:
        trajectory: that has ended.
        call_tags: of the family, between which a turn writes a call.
    """
    if not trajectory.high:
        return "no" if trajectory.tools_offered else "none on offer: one look shows all"
    calling = next(turn for turn in trajectory.turns if turn.shown)
    thought, _ = split_thought(calling.text, call_tags)
    for tag in THOUGHT_TAGS:
        thought = thought.replace(tag, " ")
    return f"yes: {printable_line(thought)}" if thought.strip() else "yes, without a thought"


def tokens_line(group: Group) -> str:
    """Visual tokens against one full look at the image, of a group of one trajectory."""
    (trajectory,) = group.trajectories
    shown, full = trajectory.visual_tokens, group.full_look_tokens
    differ = f"{full - shown} saved" if shown <= full else f"{shown - full} more"
    return f"{shown} shown, {full} in one full look: {differ}"
