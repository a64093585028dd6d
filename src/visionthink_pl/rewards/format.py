"""The format reward (R_format of the paper's Eq. 4): half a point for well-formed turns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from visionthink_pl.rewards.base import Reward, Scores
from visionthink_pl.rollout.replies import THOUGHT_TAGS, split_thought
from visionthink_pl.types import Group, StopReason, Trajectory

WELL_FORMED = 0.5
TAG = re.compile(r"</?(?:think|answer|tool_call)>")
GIVEN = re.compile(r"</?tool_response>|<\|im_(?:start|end)\|>")  # what no turn may write itself


class FormatReward(Reward):
    """0.5 if every turn is well formed, else 0.

    Every turn starts with its only ``<think>`` block and ends with one block of another kind: the
    last turn with an ``<answer>``, each turn before it with a ``<tool_call>`` that names an offered
    tool with valid arguments. Other text is allowed between the two blocks, but not before or after
    them. A thought may contain any tag except the one that ends it. After the thought no tag may be
    repeated or nested. A turn that writes ``<tool_response>`` or ``<|im_start|>`` anywhere makes up
    what only others say, and is not well formed. A trajectory that ended without an answer scores
    0. The content of blocks does not matter: an empty thought is well formed.
    """

    name = "format"

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return [WELL_FORMED if well_formed(t) else 0.0 for t in group.trajectories]


def well_formed(trajectory: Trajectory) -> bool:
    """Whether all turns are well formed, and the last one answers."""
    if trajectory.stop is not StopReason.ANSWERED:
        return False
    *earlier, last = trajectory.turns
    calls = all(turn.call is not None for turn in earlier)
    shapes = all(has_shape(turn.text, "tool_call") for turn in earlier)
    return calls and shapes and has_shape(last.text, "answer")


def has_shape(text: str, block: Literal["answer", "tool_call"]) -> bool:
    """Whether the text starts with its only thought and ends with its only block of this kind."""
    thought, said = split_thought(text)
    opening, closing = THOUGHT_TAGS
    one_thought = thought.lstrip().startswith(opening) and thought.count(closing) == 1
    ends = said.rstrip().endswith(f"</{block}>")
    if GIVEN.search(text):
        return False
    return one_thought and ends and TAG.findall(said) == [f"<{block}>", f"</{block}>"]
