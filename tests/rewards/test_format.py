"""Well-formed turns and all that is not, one row a case."""

import pytest

from helpers import CALL, CALL_TEXT, CALL_TURN, answer_turn, make_group, make_trajectory, make_turn
from visionthink_pl.rewards import FormatReward
from visionthink_pl.types import StopReason, Trajectory

THINK = "<think>t</think>"
ANSWER = "<answer>7</answer>"
CALLED = f"<tool_call>{CALL_TEXT}</tool_call>"

GOOD_LAST = [
    (answer_turn("7"), "a thought, a newline, an answer"),
    (THINK + ANSWER, "nothing between the blocks"),
    (f"\n {THINK} \n\n {ANSWER} \n", "white space before, between and after"),
    ("<think>two\nlines</think><answer>two\nlines</answer>", "newlines within the blocks"),
    (f"<think></think>{ANSWER}", "an empty thought"),
    (f"<think>x < 3 and <b>bold</b></think>{ANSWER}", "other angle brackets"),
    (THINK + r"<answer>\boxed{7}</answer>", "a boxed answer"),
    (f"{THINK}So: {ANSWER}", "text between the blocks"),
    (f"<think>{ANSWER}</think>{ANSWER}", "an answer within the thought too"),
    (f"<think><tool_call></think>{ANSWER}", "a call's tag within the thought"),
    (f"<think>{CALLED}</think>{ANSWER}", "a call within the thought"),
    (f"<think>in <answer> or </answer></think>{ANSWER}", "an answer's tags, named"),
    (f"<think>in <think> tags</think>{ANSWER}", "its own tag, named"),
]

BAD_LAST = [
    ("", "nothing"),
    ("7", "no tags"),
    (ANSWER, "no thought"),
    (THINK, "no answer"),
    (THINK + r"\boxed{7}", "boxed without an answer block"),
    (ANSWER + THINK, "the answer before the thought"),
    (f"So: {THINK}{ANSWER}", "text before the thought"),
    (f"{THINK}{ANSWER} Done.", "text after the answer"),
    (f"{THINK}{THINK}{ANSWER}", "two thoughts"),
    (f"{THINK}{ANSWER}{ANSWER}", "two answers"),
    (f"{THINK}{ANSWER}{THINK}", "a thought after the answer"),
    (f"<think>a<think>b</think></think>{ANSWER}", "a thought within a thought"),
    (f"<think>in <think></think></think>{ANSWER}", "a thought that names its own end"),
    (f"{THINK}<answer>the </think> tag</answer>", "a tag within the answer"),
    (f"<think>t{ANSWER}</think>", "an answer within the thought only"),
    (f"{THINK}<answer>a<answer>b</answer></answer>", "an answer within an answer"),
    (f"<answer>{THINK}7</answer>", "the thought within the answer"),
    (f"<think>t{ANSWER}", "an unclosed thought"),
    (f"t</think>{ANSWER}", "an unopened thought"),
    (f"{THINK}<answer>7", "an unclosed answer"),
    (f"{THINK}7</answer>", "an unopened answer"),
    (f"{THINK}{ANSWER}</answer>", "an answer closed twice"),
    (f"{THINK}{CALLED}{ANSWER}", "a call in the last turn"),
    (f"{THINK}{ANSWER}{CALLED}", "a call after the answer"),
    (f"{THINK}<tool_call>{ANSWER}", "a call's tag alone"),
    (f"{THINK}</tool_call>{ANSWER}", "a call's closing tag alone"),
    (f"<Think>t</Think>{ANSWER}", "tags are in lower case"),
    (f"{THINK}<tool_call>7</tool_call>", "a call in the place of the answer"),
]

GOOD_EARLIER = [
    (CALL_TURN, "a thought, a newline, a call"),
    (THINK + CALLED, "nothing between the blocks"),
    (f" {THINK} {CALLED}\n", "white space around"),
    (f"{THINK}I call: {CALLED}", "text between the blocks"),
    (f"<think>{ANSWER}</think>{CALLED}", "an answer within the thought"),
    (f"<think>{CALLED}</think>{CALLED}", "a call within the thought too"),
    (f"<think>The tool_response is next.</think>{CALLED}", "its name alone"),
]

BAD_EARLIER = [
    (CALLED, "no thought"),
    (f"{THINK}{CALLED} Now wait.", "text after the call"),
    (f"{THINK}{CALLED}{CALLED}", "two calls"),
    (f"{THINK}{CALLED}</tool_call>", "a call closed twice"),
    (f"{THINK}{ANSWER}{CALLED}", "an answer before the call"),
    (f"{THINK}{CALLED}{ANSWER}", "an answer after the call"),
    (f"<think>{CALLED}</think>", "the call within the thought"),
    (f"{THINK}<tool_response>It is 7.</tool_response>{CALLED}", "a made-up result"),
    ("<think><tool_response>7</tool_response></think>" + CALLED, "one within the thought"),
    (f"{THINK}</tool_response>{CALLED}", "its end alone"),
    (f"{THINK}<|im_end|>\n<|im_start|>user\nLook!{CALLED}", "a made-up turn of the user"),
]


def score(trajectory: Trajectory) -> float | None:
    """The format reward of a group of one."""
    return FormatReward().score(make_group([trajectory]), {})[0]


def two_turns(first: str) -> Trajectory:
    """``first`` with a call that was carried out, then a well-formed answer."""
    turns = [make_turn(first, call=CALL), make_turn(answer_turn("7"))]
    return make_trajectory("7", turns, high=True)


@pytest.mark.parametrize(("text", "why"), GOOD_LAST)
def test_good_last_turn(text: str, why: str) -> None:
    assert score(make_trajectory("7", [make_turn(text)])) == 0.5, why


@pytest.mark.parametrize(("text", "why"), BAD_LAST)
def test_bad_last_turn(text: str, why: str) -> None:
    assert score(make_trajectory("7", [make_turn(text)])) == 0.0, why


@pytest.mark.parametrize(("text", "why"), GOOD_EARLIER)
def test_good_earlier_turn(text: str, why: str) -> None:
    assert score(two_turns(text)) == 0.5, why


@pytest.mark.parametrize(("text", "why"), BAD_EARLIER)
def test_bad_earlier_turn(text: str, why: str) -> None:
    assert score(two_turns(text)) == 0.0, why


@pytest.mark.parametrize(
    ("call", "error", "why"),
    [
        (None, "The call is not valid JSON.", "a call that could not be read"),
        (None, None, "an earlier turn that never called"),
    ],
)
def test_earlier_call_must_be_valid(call: object, error: str | None, why: str) -> None:
    first = make_turn(CALL_TURN, call=call, call_error=error)  # type: ignore[arg-type]
    trajectory = make_trajectory("7", [first, make_turn(answer_turn("7"))])
    assert score(trajectory) == 0.0, why


def test_a_valid_call_that_the_tool_refuses_is_well_formed() -> None:
    refused = make_turn(CALL_TURN, call=CALL, call_error="The image has already been shown.")
    turns = [make_turn(CALL_TURN, call=CALL), refused, make_turn(answer_turn("7"))]
    assert score(make_trajectory("7", turns, high=True)) == 0.5


def test_every_earlier_turn_counts() -> None:
    calls = [make_turn(CALL_TURN, call=CALL), make_turn(CALL_TURN, call=CALL)]
    last = make_turn(answer_turn("7"))
    assert score(make_trajectory("7", [*calls, last], high=True)) == 0.5
    calls[1].text = CALLED
    assert score(make_trajectory("7", [*calls, last], high=True)) == 0.0


@pytest.mark.parametrize("stop", [reason for reason in StopReason if reason != "answered"])
def test_without_an_answer_nothing_is_well_formed(stop: StopReason) -> None:
    assert score(make_trajectory(None, [make_turn(answer_turn("7"))], stop)) == 0.0


def test_one_value_for_each_trajectory_in_order() -> None:
    good = make_trajectory("7", [make_turn(answer_turn("7"))])
    bad = make_trajectory("7", [make_turn(ANSWER)])
    assert FormatReward().score(make_group([bad, good, bad]), {}) == [0.0, 0.5, 0.0]
    assert FormatReward.name == "format"
