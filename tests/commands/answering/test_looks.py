"""What is said of a trajectory's looks."""

import pytest

from helpers import CALL, CALL_TEXT, CALL_TURN, answer_turn, make_group, make_trajectory, make_turn
from visionthink_pl.commands.answering.looks import (
    answer_line,
    printable_line,
    second_look_line,
    tokens_line,
)
from visionthink_pl.rollout.replies import CALL_TAGS
from visionthink_pl.types import StopReason, Trajectory

CALLED = make_turn(CALL_TURN, CALL)
BARE = make_turn(f"<tool_call>{CALL_TEXT}</tool_call>", CALL)
REFUSED = make_turn("<think>Again.</think><tool_call>{</tool_call>", call_error="not JSON")
LAST = make_turn(answer_turn("7"))
SECOND_LOOKS = [
    (make_trajectory("7", [LAST]), "no"),
    (make_trajectory("7", [LAST], offered=False), "none on offer: one look shows all"),
    (make_trajectory("7", [CALLED, LAST], high=True), "yes: Too small."),
    (make_trajectory("7", [REFUSED, CALLED, LAST], high=True), "yes: Too small."),
    (make_trajectory("7", [BARE, LAST], high=True), "yes, without a thought"),
    (make_trajectory("7", [REFUSED, LAST]), "no"),
]


@pytest.mark.parametrize(("trajectory", "said"), SECOND_LOOKS)
def test_second_look(trajectory: Trajectory, said: str) -> None:
    assert second_look_line(trajectory, CALL_TAGS) == said


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (4, "4 shown, 16 in one full look: 12 saved"),
        (16, "16 shown, 16 in one full look: 0 saved"),
        (20, "20 shown, 16 in one full look: 4 more"),
    ],
)
def test_tokens(shown: int, said: str) -> None:
    group = make_group([make_trajectory("7")])
    group.trajectories[0].first_look_tokens = shown
    assert tokens_line(group) == said


def test_answers() -> None:
    assert answer_line(make_trajectory("a\n b")) == "a b"
    cut = make_trajectory(stop=StopReason.OUT_OF_TOKENS)
    assert answer_line(cut) == "none (out of tokens)"


def test_a_terminal_is_given_no_control_characters() -> None:
    assert printable_line("\x1b[31mred\x07\u202e\r\nnext\ud800") == "[31mred next"
