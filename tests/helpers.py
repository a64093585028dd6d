"""Groups as the rollout engine would make them, without a model."""

import json
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from visionthink_pl.training import GroupSelection
from visionthink_pl.types import (
    Group,
    RolloutBatch,
    StopReason,
    ToolCall,
    Trajectory,
    Turn,
    View,
    VQASample,
)

CALL = ToolCall("resize_image", {"action": "resize"})
CALL_TEXT = json.dumps({"name": CALL.name, "arguments": dict(CALL.arguments)})
CALL_TURN = f"<think>Too small.</think>\n<tool_call>\n{CALL_TEXT}\n</tool_call>"


def answer_turn(answer: str) -> str:
    """The text of a well-formed last turn."""
    return f"<think>I see it.</think>\n<answer>{answer}</answer>"


def make_turn(text: str, call: ToolCall | None = None, call_error: str | None = None) -> Turn:
    """A turn of which only the text and the call matter."""
    return Turn(generated_ids=[], logprobs=[], text=text, call=call, call_error=call_error)


def make_trajectory(
    answer: str | None = None,
    turns: Sequence[Turn] = (),
    stop: StopReason = StopReason.ANSWERED,
    high: bool = False,
    offered: bool = True,
) -> Trajectory:
    """A trajectory without ids; a high one was shown something behind its first call."""
    turns = list(turns) or [make_turn("")] * high
    if high:
        calls = [i for i, turn in enumerate(turns) if turn.call and not turn.call_error]
        asked = calls[0] if calls else 0
        turns[asked] = replace(turns[asked], shown=[View(Image.new("RGB", (28, 28)))])
    return Trajectory(
        prompt_ids=[],
        first_look=[],
        first_look_tokens=0,
        tools_offered=(CALL.name,) if offered else (),
        turns=turns,
        stop=stop,
        answer=answer,
    )


def rollout_batch(groups: list[Group], draw: int = 0, rollout_s: float = 0.0) -> RolloutBatch:
    """One draw as the callback hands it on, nothing filtered and nothing waiting."""
    parts = tuple(groups[0].parts) if groups else ()
    rollouts = RolloutBatch(groups, draw, rollout_s, parts=parts)
    GroupSelection(filters=[], max_draws=1).select(rollouts, prompts=len(groups), last=False)
    return rollouts


def direct() -> Trajectory:
    """Answered from the first look."""
    return make_trajectory("seen small")


def high() -> Trajectory:
    """Answered after the full image."""
    return make_trajectory("seen large", high=True)


def high_truncated() -> Trajectory:
    """Was shown the full image and never answered."""
    return make_trajectory(high=True, stop=StopReason.OUT_OF_TOKENS)


def neither_truncated() -> Trajectory:
    """Never answered, and was never shown the full image."""
    return make_trajectory(stop=StopReason.OUT_OF_TOKENS)


def neither_not_offered() -> Trajectory:
    """Answered, but had no second look to ask for."""
    return make_trajectory("seen whole", offered=False)


def make_sample(
    answer: str = "7", size: tuple[int, int] = (112, 112), others: tuple[str, ...] = ()
) -> VQASample:
    """A question about a grey image; ``size`` in pixels; ``others`` are further truths."""
    image = Image.new("RGB", size, "grey")
    return VQASample("sample-0", "Which digit?", answer, (image,), "digit", other_answers=others)


def make_group(
    trajectories: Sequence[Trajectory], truth: str = "7", others: tuple[str, ...] = ()
) -> Group:
    """A group that nothing has scored yet."""
    return Group(make_sample(truth, others=others), list(trajectories), full_look_tokens=16)
