"""One trajectory as a JSON object, a line of ``trajectories/*.jsonl``; docs/trajectories.md says
what each key is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from visionthink_pl.types import Group, RolloutBatch, Turn, View

Pieces = Callable[[int], str]  # the text of one id


def record(group: Group, index: int, shown: Sequence[str], pieces: Pieces) -> dict[str, Any]:
    """What was asked, shown, said and scored.

    Args:
        group: scored, or without rewards.
        index: of the trajectory in it.
        shown: names of the files of the images that were shown, in order.
        pieces: the text of an id.
    """
    sample, trajectory = group.sample, group.trajectories[index]
    looks = [trajectory.first_look, *(turn.shown for turn in trajectory.turns)]
    views = [(turn, view) for turn, views in enumerate(looks) for view in views]
    images = [
        {"file": file, **_view(view), "turn": turn}
        for file, (turn, view) in zip(shown, views, strict=True)
    ]
    return {
        "sample": sample.id,
        "kind": sample.kind,
        "question": sample.question,
        "truths": [text for text in sample.answers if text.strip()],
        "rollout": index,
        "tools_offered": list(trajectory.tools_offered),
        "images": images,
        "turns": [_turn(turn, pieces) for turn in trajectory.turns],
        "answer": trajectory.answer,
        "stop": str(trajectory.stop),
        "second_look": trajectory.high,
        "visual_tokens": trajectory.visual_tokens,
        "full_look_tokens": group.full_look_tokens,
        "generated_tokens": trajectory.response_tokens,
        "parts": {name: _number(values[index]) for name, values in group.parts.items()},
        "reward": _number(group.rewards[index]) if group.parts else None,
        "logprob_difference": _number(trajectory.logprob_difference),
    }


def _view(view: View) -> dict[str, Any]:
    known = {"source": view.source, "box": view.box and list(view.box), "caption": view.caption}
    size = {"width": view.image.width, "height": view.image.height}
    return size | {key: value for key, value in known.items() if value not in (None, "")}


def _turn(turn: Turn, pieces: Pieces) -> dict[str, Any]:
    call = turn.call and {"name": turn.call.name, "arguments": dict(turn.call.arguments)}
    return {
        "text": turn.text,
        "call": call,
        "call_error": turn.call_error,
        "given_tokens": len(turn.given_ids),
        "tokens": [pieces(token) for token in turn.generated_ids],
        "logprobs": [_number(value, 4) for value in turn.logprobs],
    }


def _number(value: float | None, digits: int = 6) -> float | None:
    """JSON has no word for what is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return round(value, digits) + 0.0  # not -0.0


def use_of(rollouts: RolloutBatch, place: int, index: int) -> str:
    """Whether a trajectory was trained on, or why not.

    Args:
        rollouts: of its draw, whose groups are settled.
        place: of its group among those of the draw.
        index: of it in that group.

    Returns:
        ``trained``; ``unscored``: a part of its reward could not be computed; ``filtered``: by
        ``rollout.filters``; ``no_signal``: the rewards that were left in its group are equal;
        ``left``: the batch was full, or training ended.
    """
    group = rollouts.groups[place]
    trajectory = group.trajectories[index]
    if trajectory.logprob_difference is not None:
        return "trained"
    if group.rewards[index] is None:
        return "unscored"
    if not any(trajectory is kept for kept in rollouts.filtered[place].trajectories):
        return "filtered"
    return "left" if rollouts.signal[place] else "no_signal"
