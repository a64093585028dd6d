"""Replies of ``/v1/chat/completions``."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from visionthink_pl.types import Group, StopReason


def reply(group: Group, model: str) -> dict[str, Any]:
    """The reply to a request.

    Args:
        group: of one trajectory.
        model: its name.
    """
    (trajectory,) = group.trajectories
    cut = trajectory.stop is StopReason.OUT_OF_TOKENS
    message = {
        "role": "assistant",
        "content": trajectory.answer or "",
        "reasoning": "\n".join(turn.text for turn in trajectory.turns),
        "second_look": trajectory.high,
    }
    finish = "length" if cut else "stop"
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": _usage(group),
    }


def _usage(group: Group) -> dict[str, int]:
    (trajectory,) = group.trajectories
    completion = trajectory.response_tokens
    total = len(trajectory.ids)
    return {
        "prompt_tokens": total - completion,  # what was given after a call is among them
        "completion_tokens": completion,
        "total_tokens": total,
        "visual_tokens": trajectory.visual_tokens,
        "full_look_tokens": group.full_look_tokens,
    }


def events(whole: Mapping[str, Any], with_usage: bool) -> Iterator[str]:
    """A reply as events: the message in one, the reason why it ended, and the end.

    Args:
        whole: as of ``reply``.
        with_usage: whether the usage comes before the end.
    """
    start = {key: whole[key] for key in ("id", "created", "model")}
    start["object"] = "chat.completion.chunk"
    (choice,) = whole["choices"]
    last = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    first = {"index": 0, "delta": choice["message"], "finish_reason": None}
    chunks = [start | {"choices": [first]}, start | {"choices": [last]}]
    if with_usage:
        chunks.append(start | {"choices": [], "usage": whole["usage"]})
    for chunk in chunks:
        yield f"data: {json.dumps(chunk)}\n\n"
    yield "data: [DONE]\n\n"
