"""The turns that the warm-up teaches."""

import json

CALL = json.dumps(
    {"name": "resize_image", "arguments": {"action": "resize"}}, separators=(",", ":")
)
CALL_TURN = f"<think>Look closer.</think>\n<tool_call>\n{CALL}\n</tool_call>"


def answer_turn(answer: str) -> str:
    """A turn that answers."""
    return f"<think>I see it.</think>\n<answer>{answer}</answer>"
