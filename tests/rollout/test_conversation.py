"""What the model is told, and how its turns are read."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from helpers import CALL, CALL_TEXT, CALL_TURN, answer_turn, make_sample, make_turn
from visionthink_pl.data.lookcloser import QUESTIONS
from visionthink_pl.families import Family, Qwen2_5VL, load_family
from visionthink_pl.images import FullView, HalfView, PixelLimits
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.opening import Opening
from visionthink_pl.rollout.prompt_files import read_prompt
from visionthink_pl.rollout.rendering import QUESTION
from visionthink_pl.rollout.replies import InvalidCall, extract_answer, parse_call, split_thought
from visionthink_pl.types import ConfigError, View, VQASample
from visionthink_pl.visual_tools import ResizeImage, ToolFailure, ToolResult, ViewState

TAGS = Qwen2_5VL.call_tags
MAX_TEXT_TOKENS = 150  # of a prompt on the embedded model: longer ones slow every rollout


@pytest.fixture(scope="module")
def family() -> Family:
    return load_family("embedded")


@pytest.fixture
def conversation(family: Family) -> Conversation:
    return talk(family, PixelLimits())


def talk(family: Family, limits: PixelLimits) -> Conversation:
    """The Efficient recipe: half the image first, one tool."""
    return Conversation(family, ConversationOptions(limits=limits))


def call_text(call: object) -> str:
    return f"<think>t</think><tool_call>{json.dumps(call)}</tool_call>"


VALID = [
    (CALL_TURN, "as the prompt shows it"),
    (f"<tool_call>{CALL_TEXT}</tool_call>", "no thought: the format reward minds, not this"),
    (f"a {CALL_TURN} b", "text around"),
    (call_text({"arguments": {"action": "resize"}, "name": "resize_image"}), "keys swapped"),
]

ONCE = "exactly one"
JSON = "not valid JSON"
KEYS = "a name and arguments"
TOOL = "no such tool. Tools: resize_image"
ARGUMENTS = "arguments do not match"
INVALID = [
    (f"{CALL_TURN}{CALL_TURN}", ONCE, "two calls"),
    (f"<tool_call>{CALL_TEXT}", ONCE, "unclosed"),
    (f"<tool_call>{CALL_TURN}", ONCE, "opened twice"),
    ("<tool_call></tool_call>", JSON, "empty"),
    ("<tool_call>resize_image</tool_call>", JSON, "a bare name"),
    (f"<tool_call>{CALL_TEXT[:-1]}</tool_call>", JSON, "a brace short"),
    (f"<tool_call>{CALL_TEXT} {CALL_TEXT}</tool_call>", JSON, "two objects"),
    (call_text([{"name": "resize_image", "arguments": {}}]), KEYS, "a list"),
    (call_text("resize_image"), KEYS, "a string"),
    (call_text({"name": "resize_image"}), KEYS, "no arguments"),
    (call_text({"arguments": {"action": "resize"}}), KEYS, "no name"),
    (call_text({"name": "resize_image", "arguments": {}, "id": 1}), KEYS, "a key too many"),
    (call_text({"name": "crop", "arguments": {"action": "resize"}}), TOOL, "another tool"),
    (call_text({"name": ["resize_image"], "arguments": {}}), TOOL, "a name that is a list"),
    (call_text({"name": "resize_image", "arguments": {"action": "crop"}}), ARGUMENTS, "value"),
    (call_text({"name": "resize_image", "arguments": {}}), ARGUMENTS, "a missing argument"),
    (
        call_text({"name": "resize_image", "arguments": {"action": "resize", "x": 1}}),
        ARGUMENTS,
        "an argument too many",
    ),
    (call_text({"name": "resize_image", "arguments": "resize"}), ARGUMENTS, "a string"),
    (call_text({"name": "resize_image", "arguments": None}), ARGUMENTS, "null"),
]


@pytest.mark.parametrize(("text", "why"), VALID)
def test_valid_call(text: str, why: str) -> None:
    assert parse_call(text, [ResizeImage()], TAGS) == CALL, why


@pytest.mark.parametrize(("text", "message", "why"), INVALID)
def test_invalid_call(text: str, message: str, why: str) -> None:
    with pytest.raises(InvalidCall, match=message):
        parse_call(text, [ResizeImage()], TAGS)
        pytest.fail(why)


EXTRACTED = [
    ("<think>t</think><answer>7</answer>", "7", "an answer"),
    ("<answer>\n red car \n</answer>", "red car", "white space around"),
    ("<answer>two\nlines</answer>", "two\nlines", "two lines"),
    ("<answer>1</answer> no, <answer>2</answer>", "2", "the last of several"),
    ("<answer></answer>", "", "an empty answer is an answer"),
    (r"<answer>\boxed{B}</answer>", "B", "boxed within the answer"),
    (r"<answer>It is \boxed{ B }.</answer>", "B", "boxed within a sentence"),
    (r"\boxed{1} <answer>2</answer>", "2", "boxed outside the answer"),
    (r"<think>t</think> \boxed{7}", "7", "boxed alone"),
    (r"so \boxed{\frac{1}{2}} it is", r"\frac{1}{2}", "nested braces"),
    (r"\boxed{1}, or rather \boxed{2}", "2", "the last boxed of several"),
    (r"\boxed {7}", "7", "a space before the brace"),
    (r"<answer>\boxed{7</answer>", r"\boxed{7", "a brace short within the answer"),
    (r"\boxed{7", None, "a brace short alone"),
    (r"\boxed{\left\{ x \right.}", r"\left\{ x \right.", "a brace that is shown opens nothing"),
    (r"\boxed{\left. x \right\}}", r"\left. x \right\}", "nor does one that is shown close"),
    (r"<answer>\boxed{\{1, 2\}}</answer>", r"\{1, 2\}", "a set"),
    (r"\boxed{\left\{ \frac{1}{2} \right.}", r"\left\{ \frac{1}{2} \right.", "both kinds"),
    (r"\boxed{a \\{b}}", r"a \\{b}", "a line break, then a brace that counts"),
    (r"\boxed{x\}", None, "closed by a brace that is shown: not at all"),
    ("<answer>7", None, "unclosed"),
    ("7</answer>", None, "unopened"),
    ("<think>It is 7.</think>", None, "a chain of thought"),
    (r"<think>maybe \boxed{7}", None, "a thought without an end"),
    (r"<think>t</think> hm <think>\boxed{7}", None, "a second thought without an end"),
    ("7", None, "no tags"),
    ("", None, "nothing"),
]


@pytest.mark.parametrize(("text", "answer", "why"), EXTRACTED)
def test_extract_answer(text: str, answer: str | None, why: str) -> None:
    assert extract_answer(text) == answer, why


def test_read_prompt(tmp_path: Path) -> None:
    assert "{tools}" in read_prompt("look_closer")
    assert "{tools}" not in read_prompt("one_look")
    path = tmp_path / "mine.txt"
    path.write_text("\n Wörter \n", encoding="utf-8")
    assert read_prompt(str(path)) == "Wörter"


def test_unknown_prompt_names_those_that_ship(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'look_closr'.*look_closer, one_look"):
        read_prompt("look_closr")
    with pytest.raises(ConfigError, match="no file"):
        read_prompt(str(tmp_path))  # a folder is no prompt


def placeholders(family: Family, ids: list[int]) -> int:
    return ids.count(family.image_token_id)


def system_text(opening: Opening) -> str:
    return opening.messages[0]["content"]


def test_opening_shows_a_quarter_of_the_tokens(family: Family, conversation: Conversation) -> None:
    opening = conversation.open(make_sample(size=(112, 112)))
    start = opening.trajectory
    assert placeholders(family, start.prompt_ids) == start.visual_tokens == 4
    assert opening.full_look_tokens == 16
    assert [image.size for image in start.images] == [(56, 56)]
    assert [image.size for image in opening.high] == [(112, 112)]
    assert start.tools_offered == ("resize_image",)
    assert start.turns == [] and start.stop is None and not start.high
    text = family.tokenizer.decode(start.prompt_ids)
    assert '"name":"resize_image"' in text and "{tools}" not in text
    assert "Which digit?" in text
    assert text.endswith("<|im_start|>assistant\n")


def test_no_tool_where_nothing_is_saved(family: Family) -> None:
    opening = talk(family, PixelLimits(min_pixels=1)).open(make_sample(size=(20, 20)))
    start = opening.trajectory
    assert start.visual_tokens == opening.full_look_tokens == 1
    assert start.tools_offered == ()
    assert start.images == opening.high and opening.high[0].size == (20, 20)
    assert system_text(opening) == read_prompt("one_look")


def test_limits_come_before_the_first_view(family: Family) -> None:
    opening = talk(family, PixelLimits(max_pixels=112 * 112)).open(make_sample(size=(448, 448)))
    assert [image.size for image in opening.high] == [(112, 112)]  # what the limits leave
    assert opening.trajectory.images[0].size == (56, 56)


def test_without_tools_the_first_view_is_all_there_is(family: Family) -> None:
    for view, size in ((FullView(), (112, 112)), (HalfView(), (56, 56))):
        conversation = Conversation(family, ConversationOptions(tools=[], first_view=view))
        opening = conversation.open(make_sample(size=(112, 112)))
        assert opening.trajectory.images[0].size == size
        assert opening.trajectory.tools_offered == ()
        assert system_text(opening) == read_prompt("one_look")


def test_response_is_the_delta_of_the_template(family: Family, conversation: Conversation) -> None:
    opening = conversation.open(make_sample())
    ids = conversation.response(opening, ToolResult(images=opening.high)).ids
    assert placeholders(family, ids) == 16
    text = family.tokenizer.decode(ids)
    assert text.startswith("\n<|im_start|>user\n<tool_response>\n")
    assert text.endswith("\n</tool_response><|im_end|>\n<|im_start|>assistant\n")
    assert "Which digit?" not in text  # the history is not told again


def test_response_tells_what_was_wrong(family: Family, conversation: Conversation) -> None:
    opening = conversation.open(make_sample())
    ids = conversation.response(opening, ToolResult(text="Not like that.")).ids
    assert placeholders(family, ids) == 0
    text = family.tokenizer.decode(ids)
    assert "<tool_response>\nNot like that.\n</tool_response>" in text


@pytest.mark.parametrize("name", ["<|im_end|>", "<|image_pad|>", "</tool_response>"])
def test_what_a_tool_says_is_no_markup(
    family: Family, conversation: Conversation, name: str
) -> None:
    opening = conversation.open(make_sample())
    text = f"It reads: {name} 7."
    ids = conversation.response(opening, ToolResult(text, opening.high)).ids
    plain = conversation.response(opening, ToolResult("It reads: 7.", opening.high)).ids
    assert f"<tool_response>\n{text}<|vision_start|>" in family.decode(ids)
    for token in family.tokenizer.added_tokens_decoder:
        assert ids.count(token) == plain.count(token)


def test_how_to_call_is_told_in_the_tokens_of_a_call(
    family: Family, conversation: Conversation
) -> None:
    result = ToolResult("Write exactly one <tool_call>...</tool_call>.")
    ids = conversation.response(conversation.open(make_sample()), result).ids
    assert [ids.count(family.token_id(tag)) for tag in TAGS] == [1, 1]


def test_pieces_are_the_ids_of_the_whole(family: Family, conversation: Conversation) -> None:
    # Prompt, a turn and the response, joined id by id, against the template over all of it.
    opening = conversation.open(make_sample())
    turn = [*family.tokenizer.encode(CALL_TURN), family.end_of_turn_id]
    response = conversation.response(opening, ToolResult(images=opening.high)).ids
    user = [{"type": "text", "text": "<tool_response>\n"}, {"type": "image"}]
    user += [{"type": "text", "text": "\n</tool_response>"}]
    after = [{"role": "assistant", "content": CALL_TURN}, {"role": "user", "content": user}]
    whole = family.render([*opening.messages, *after], True)
    whole = whole.replace(QUESTION, make_sample().question)
    images = [*opening.trajectory.images, *opening.high]
    assert opening.trajectory.prompt_ids + turn + response == family.encode(whole, images)


def test_control_tokens_in_a_question_are_words(family: Family, conversation: Conversation) -> None:
    question = "Is this <|image_pad|> or <|im_end|>, <tool_call> or </think>?"
    image = Image.new("RGB", (112, 112))
    opening = conversation.open(VQASample("a", question, "7", (image,), "digit"))
    ids = opening.trajectory.prompt_ids
    assert ids.count(family.image_token_id) == opening.trajectory.visual_tokens == 4
    assert question in family.decode(ids)
    plain = conversation.open(VQASample("b", "Is this it?", "7", (image,), "digit"))
    ends = [i.count(family.end_of_turn_id) for i in (ids, plain.trajectory.prompt_ids)]
    assert ends == [2, 2]  # the system's and the user's
    calls = [i.count(family.token_id(TAGS[0])) for i in (ids, plain.trajectory.prompt_ids)]
    assert calls[0] == calls[1]  # the system's


@pytest.mark.parametrize("kind", QUESTIONS)
def test_the_embedded_model_reads_the_ids_that_it_was_trained_on(family: Family, kind: str) -> None:
    question = QUESTIONS[kind]
    expected = family.tokenizer.encode(question, split_special_tokens=True)
    assert family.encode_words(question) == expected


def test_call_of_a_turn(conversation: Conversation) -> None:
    offered = ["resize_image"]
    assert conversation.call(CALL_TURN, offered) == CALL
    assert conversation.call(answer_turn("7"), offered) is None
    with pytest.raises(InvalidCall, match=ONCE):
        conversation.call("<tool_call>", offered)
    with pytest.raises(InvalidCall, match="No tool is on offer"):
        conversation.call(CALL_TURN, [])  # where no second look was on offer


def test_run_turns_a_tools_refusal_into_words_for_the_model(conversation: Conversation) -> None:
    opening = conversation.open(make_sample())
    start = opening.trajectory
    result = conversation.run(CALL, conversation.state(opening, start))
    assert result.shown == opening.full
    turn = replace(make_turn(CALL_TURN), shown=result.shown)
    with pytest.raises(InvalidCall, match="already"):
        conversation.run(CALL, conversation.state(opening, replace(start, turns=[turn])))


WHOLE = [View(Image.new("RGB", (112, 112)), source=0)]


class Bare(ResizeImage):
    """Returns the image itself, in place of a result that holds it."""

    def run(self, state: ViewState, arguments: Mapping[str, Any]) -> Any:
        return state.high[0]


def test_a_tool_that_returns_no_result_has_failed(family: Family) -> None:
    conversation = Conversation(family, ConversationOptions(tools=[Bare()]))
    with pytest.raises(ToolFailure, match=r"Bare\.run returned Image, not a ToolResult; return"):
        conversation.run(CALL, ViewState(make_sample(), WHOLE, WHOLE))


@pytest.mark.parametrize("kind", QUESTIONS)
def test_prompts_stay_short(family: Family, conversation: Conversation, kind: str) -> None:
    image = Image.new("RGB", (112, 112))
    start = conversation.open(VQASample("0", QUESTIONS[kind], "7", (image,), kind)).trajectory
    assert start.tools_offered
    assert len(start.prompt_ids) - start.visual_tokens < MAX_TEXT_TOKENS


T, A = "<think>t</think>", "<answer>7</answer>"
C = f"<tool_call>{CALL_TEXT}</tool_call>"
NAMES = "I think in <think></think> and then answer in <answer></answer>."
# Of each turn: whether it calls, and what it answers where it does not.
PARTED = [
    (f"<think>{C}</think>{A}", False, "7", "a call in the thought, the answer behind it"),
    (f"<think>{A}</think>{C}", True, None, "an answer in the thought, the call behind it"),
    (f"<think>a <tool_call> would help</think>{A}", False, "7", "a call's tag in the thought"),
    (f"<think>not </tool_call></think>{A}", False, "7", "a call's closing tag in the thought"),
    (f"<think>{C} or {C}</think>{C}", True, None, "calls in the thought are not counted"),
    (f"<think>{C}</think>", False, None, "a call in the thought alone"),
    (f"<think>{A}</think>", False, None, "an answer in the thought alone"),
    (r"<think>\boxed{3} or <answer>4</answer></think>", False, None, "two in the thought alone"),
    (f"<think><answer>4</answer></think>{A}", False, "7", "one in the thought, one behind it"),
    (f"<think>in <answer> tags</think>{A}", False, "7", "an opening tag in the thought"),
    (f"<think>in <answer> tags</think>{C}", True, None, "the same before a call"),
    (f"<think>up to </answer></think>{A}", False, "7", "a closing tag in the thought"),
    (f"<think>{NAMES}</think>{A}", False, "7", "the thought repeats the prompt"),
    (f"<think>{NAMES}</think>{C}", True, None, "and then calls"),
    (f"<think>{NAMES}", False, "", "and has no end but the one that it names"),
    (f"<think>in <think> tags</think>{A}", False, "7", "the thought's own tag in it"),
    (f"<think>{C}", False, None, "a call in a thought without an end"),
    (f"<think>{A}", False, None, "an answer in a thought without an end"),
    (f"{T} hm <think>{C}", False, None, "in a second thought without an end"),
    (f"{T}{A}<think>or", False, None, "a thought without an end behind the answer"),
    (f"{T}{T}{A}", False, "7", "two thoughts"),
    (f"{T}{C}{T}{A}", False, "7", "a call between two thoughts"),
    (f"{T} hm <think>{C}</think>{A}", False, "7", "a call in the second of two thoughts"),
    (f"{T}{A}{T}", False, None, "a thought behind the answer: nothing behind it"),
    (f"t</think>{A}", False, "7", "the prompt has opened the thought"),
    (f"{C} or not</think>{A}", False, "7", "and the thought names a call"),
    (f"{T}<answer>the </think> tag</answer>", False, "the </think> tag", "named in the answer"),
    (f"{T}<answer>a <think> tag</answer>", False, "a <think> tag", "the opening tag in the answer"),
    (f"{T}<answer>{T}</answer>", False, T, "a whole thought as the answer"),
    ("<answer>the </think> tag</answer>", False, "the </think> tag", "without a thought"),
    (f"<think>a </think> b </answer>{A}", False, "7", "a closing tag that closes nothing"),
    (f"<think>first </think> in <answer></think>{A}", False, "7", "ended twice"),
    ("<think>so <answer>7</think> it is</answer>", False, None, "begun in the thought"),
    (f"<think>so <tool_call></think>{A}</tool_call>", False, "7", "tags across each other"),
    (f"{C}{A}", True, None, "no thought, and a call beside the answer: the call"),
    (f"{T}{A}{C}", True, None, "the same the other way round"),
]


@pytest.mark.parametrize(("text", "calls", "answer", "why"), PARTED)
def test_calls_and_answers_are_read_behind_the_thought(
    conversation: Conversation, text: str, calls: bool, answer: str | None, why: str
) -> None:
    call = conversation.call(text, ["resize_image"])
    assert call == (CALL if calls else None), why
    if not calls:
        assert extract_answer(text) == answer, why


def test_two_calls_behind_the_thought_are_still_one_too_many(conversation: Conversation) -> None:
    with pytest.raises(InvalidCall, match=ONCE):
        conversation.call(f"{T}{C}{C}", ["resize_image"])


def test_the_end_of_a_thought_within_a_call_ends_nothing() -> None:
    said = '<tool_call>{"name": "find", "arguments": {"text": "</think>"}}</tool_call>'
    assert split_thought(T + said) == (T, said)
    other = said.replace("tool_call", "call")  # of a family that writes calls otherwise
    assert split_thought(T + other, ("<call>", "</call>")) == (T, other)


def test_both_parts_are_the_turn() -> None:
    for text, *_ in PARTED:
        assert "".join(split_thought(text)) == text


class Anything(ResizeImage):
    """A tool that takes whatever can be parsed."""

    parameters: Mapping[str, Any] = {"type": "object"}


def anything(written: str) -> str:
    return f'<tool_call>{{"name": "resize_image", "arguments": {{"a": {written}}}}}</tool_call>'


NOT_CLEAR = [
    ("<tool_call>" + "[" * 100_000 + "</tool_call>", JSON, "brackets without end"),
    (anything("9" * 5000), JSON, "a number of 5,000 digits"),
    (anything("NaN"), JSON, "no number"),
    (anything("-Infinity"), JSON, "infinity by its name"),
    (anything("1e999"), JSON, "infinity by its digits"),
    (anything("[" * 40 + "]" * 40), "nested more than 32 deep", "nested lists"),
    (anything('{"a":' * 900 + "1" + "}" * 900), "nested more than 32 deep", "nested objects"),
    (anything('1, "a": 2'), "'a' is there twice", "a key of the arguments twice"),
    (anything('[{"b": 1, "c": 2, "b": 1}]'), "'b' is there twice", "a key twice further inside"),
    (
        f'<tool_call>{{"name": "resize_image", {CALL_TEXT[1:]}</tool_call>',
        "'name' is there twice",
        "the name twice",
    ),
]


@pytest.mark.parametrize(("text", "message", "why"), NOT_CLEAR, ids=[row[2] for row in NOT_CLEAR])
def test_json_that_readers_read_differently_is_an_invalid_call(
    text: str, message: str, why: str
) -> None:
    with pytest.raises(InvalidCall, match=message):
        parse_call(text, [Anything()], TAGS)


def test_other_json_is_handed_on_as_it_is() -> None:
    written = {"a": [1.5, "\ud800", "NaN", {"b": [[[[[["deep"]]]]]]}], "c": 10**400}
    call = parse_call(call_text({"name": "resize_image", "arguments": written}), [Anything()], TAGS)
    assert call.arguments == written
