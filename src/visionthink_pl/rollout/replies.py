"""What a turn says: its thought, its tool call, its answer."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import chain

import jsonschema

from visionthink_pl.types import ToolCall
from visionthink_pl.visual_tools import VisualTool

ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
THOUGHT_TAGS = ("<think>", "</think>")
ANSWER_TAGS = ("<answer>", "</answer>")
CALL_TAGS = ("<tool_call>", "</tool_call>")  # as the prompts that ship show them
BOXED = re.compile(r"\\boxed\s*\{")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # a brace behind a backslash is one that is shown


class InvalidCall(ValueError):
    """A call that can't be carried out; the message is the tool response that the model reads."""


def parse_call(text: str, tools: Sequence[VisualTool], tags: tuple[str, str]) -> ToolCall:
    """Parse the one call of a turn, between ``tags``, and check it against the tools' schemas.

    Raises:
        InvalidCall: with what was wrong, in words that the model is told.
    """
    if not tools:
        raise InvalidCall("No tool is on offer.")
    blocks = re.findall("(.*?)".join(map(re.escape, tags)), text, re.DOTALL)
    if len(blocks) != 1 or text.count(tags[0]) != 1:
        raise InvalidCall(f"Write exactly one {'...'.join(tags)}.")
    try:
        call = json.loads(blocks[0])
    except (ValueError, RecursionError) as error:  # also numbers and nesting beyond measure
        raise InvalidCall("The call is not valid JSON.") from error
    if not isinstance(call, dict) or set(call) != {"name", "arguments"}:
        raise InvalidCall("The call needs a name and arguments, and nothing else.")
    tool = next((tool for tool in tools if tool.name == call["name"]), None)
    if tool is None:
        raise InvalidCall(f"There is no such tool. Tools: {', '.join(t.name for t in tools)}.")
    try:
        tool.validator.validate(call["arguments"])
    except jsonschema.ValidationError as error:
        raise InvalidCall("The arguments do not match the tool's parameters.") from error
    return ToolCall(tool.name, call["arguments"])


def split_thought(text: str, call_tags: tuple[str, str] = CALL_TAGS) -> tuple[str, str]:
    """A turn's thought, its tags included, and what is said behind it.

    The thought ends at the last ``</think>`` that is not named within an answer or a call, and may
    itself name any tag. One without an end leaves nothing said; a turn without any is all said.

    Args:
        text: of the turn.
        call_tags: between which a call is written.
    """
    outside = _without_blocks(text, call_tags)
    last = outside.rfind(THOUGHT_TAGS[1])
    end = 0 if last < 0 else last + len(THOUGHT_TAGS[1])
    return (text, "") if THOUGHT_TAGS[0] in outside[end:] else (text[:end], text[end:])


def _without_blocks(text: str, call_tags: tuple[str, str]) -> str:
    """The text with innermost answers and calls blanked out."""
    pairs = [tuple(map(re.escape, tags)) for tags in (ANSWER_TAGS, call_tags)]
    anything = rf"(?:(?!{'|'.join(chain(*pairs))}).)*"
    blocks = "|".join(anything.join(pair) for pair in pairs)
    return re.sub(blocks, lambda block: " " * len(block[0]), text, flags=re.DOTALL)


def extract_answer(text: str, call_tags: tuple[str, str] = CALL_TAGS) -> str | None:
    """The answer of a turn: inside the last ``<answer>``, else inside ``\\boxed{}``.

    A ``\\boxed{}`` within the answer block is unwrapped. ``None`` where there is neither behind
    the thought: a chain of thought is never taken for an answer.

    Args:
        text: of the turn.
        call_tags: as of ``split_thought``.
    """
    _, said = split_thought(text, call_tags)
    blocks = ANSWER.findall(said)
    inner = blocks[-1] if blocks else said
    boxed = _boxed(inner)
    if boxed is not None:
        return boxed.strip()
    return inner.strip() if blocks else None


def _boxed(text: str) -> str | None:
    """The contents of the last ``\\boxed{...}``, braces balanced."""
    starts = list(BOXED.finditer(text))
    if not starts:
        return None
    start = starts[-1].end()
    depth = 1
    for brace in BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return text[start : brace.start()]
    return None
