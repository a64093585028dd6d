"""A group like those of the engine, to test a reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from visionthink_pl.rollout.replies import CALL_TAGS, extract_answer
from visionthink_pl.types import Group, StopReason, Trajectory, Turn, View, VQASample

LOW, HIGH = 4, 16  # visual tokens of the first look and of the full image


def example_group(
    turns: Sequence[Sequence[str]],
    truth: str,
    question: str = "What is it?",
    kind: str = "example",
    extra: Mapping[str, Any] | None = None,
) -> Group:
    """A group without ids, log-probabilities and scores.

    Args:
        turns: for each trajectory the texts of its turns. A trajectory that calls the tool and has
            another turn is high; one whose last turn has no answer is truncated.
        truth: the right answer.
        question: what was asked.
        kind: of the sample.
        extra: other columns of the sample; ``None`` for none.
    """
    image = Image.new("RGB", (112, 112), "grey")
    sample = VQASample("example", question, truth, (image,), kind, extra=extra or {})
    return Group(sample, [_trajectory(texts, image) for texts in turns], full_look_tokens=HIGH)


def _trajectory(texts: Sequence[str], image: Image.Image) -> Trajectory:
    answer = extract_answer(texts[-1])
    high = any(CALL_TAGS[0] in text for text in texts[:-1])
    view, turns = View(image, source=0), [Turn([], [], text) for text in texts]
    if high:
        turns[0].shown, turns[0].visual_tokens = [view], HIGH
    return Trajectory(
        prompt_ids=[],
        first_look=[view],
        first_look_tokens=LOW,
        tools_offered=("resize_image",),
        turns=turns,
        stop=StopReason.NO_ANSWER if answer is None else StopReason.ANSWERED,
        answer=answer,
    )
