"""What a turn says: its thought, its tool call, its answer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import jsonschema

from visionthink_pl.types import ToolCall
from visionthink_pl.types.json_objects import RepeatedKey, deeper_than, unique_keys
from visionthink_pl.visual_tools import VisualTool

THOUGHT_TAGS = ("<think>", "</think>")
ANSWER_TAGS = ("<answer>", "</answer>")
CALL_TAGS = ("<tool_call>", "</tool_call>")  # as the prompts that ship show them
BOXED = re.compile(r"\\boxed\s*\{")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # a brace behind a backslash is one that is shown
DEEPEST = 32  # lists and objects in a call; what is made of it later is read by recursion


class InvalidCall(ValueError):
    """A call that can't be carried out; the message is the tool response that the model reads."""


def parse_call(text: str, tools: Sequence[VisualTool], tags: tuple[str, str]) -> ToolCall:
    """Parse the one call of a turn, between ``tags``, and check it against the tools' schemas.

    Raises:
        InvalidCall: with what was wrong, in words that the model is told.
    """
    if not tools:
        raise InvalidCall("No tool is on offer.")
    block = _last_block(text, tags)
    if block is None or text.count(tags[0]) != 1:
        raise InvalidCall(f"Write exactly one {'...'.join(tags)}.")
    call = _parse_json(block)
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


def _parse_json(text: str) -> Any:
    try:
        call = json.loads(
            text, object_pairs_hook=unique_keys, parse_float=_finite, parse_constant=_finite
        )
    except RepeatedKey as error:
        raise InvalidCall(f"The call is not clear: {error}.") from error
    except (ValueError, RecursionError) as error:  # also numbers and nesting beyond measure
        raise InvalidCall("The call is not valid JSON.") from error
    if deeper_than(DEEPEST, call):
        raise InvalidCall(f"The call is nested more than {DEEPEST} deep.")
    return call


def _finite(number: str) -> float:
    """Raises ``ValueError`` for what JSON has no number for: logs could not hold it."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is not finite")
    return value


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
    block = _last_block(said, ANSWER_TAGS)
    boxed = _boxed(said if block is None else block)
    if boxed is not None:
        return boxed.strip()
    return None if block is None else block.strip()


def _last_block(text: str, tags: tuple[str, str]) -> str | None:
    """What stands between the last two tags that belong together: to an opening tag belongs the
    next closing one, whatever is between them. ``None`` where there is no such pair.

    A pattern would search for the closing tag once for each opening one without any.
    """
    block, start = None, 0
    while (opening := text.find(tags[0], start)) >= 0:
        inner = opening + len(tags[0])
        if (closing := text.find(tags[1], inner)) < 0:
            break
        block, start = text[inner:closing], closing + len(tags[1])
    return block


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
