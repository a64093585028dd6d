"""A checkpoint's own words: templates of the user's turn and of responses, and signatures."""

from typing import Any

import pytest
from PIL import Image

from helpers import CALL, make_sample
from visionthink_pl.families import Family
from visionthink_pl.images import Size
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import ConfigError, VQASample
from visionthink_pl.visual_tools import ToolResult

SIGNATURE = "resize: shows more. name_for_human: Resize"
USERS = [
    "{question}",
    "Q: {question}\nThink first, as short as you can.",
    "{question} <think> comes first.",  # markup of the embedded model
    "Which?{question}",
]
RESPONSE = "<tool_response>\n{result}\n</tool_response>\nNow look carefully, and answer."


def sample(question: str) -> VQASample:
    return VQASample("s", question, "7", make_sample().images, "k")


def talk(family: Family, **words: Any) -> Conversation:
    return Conversation(family, ConversationOptions(**words))


def whole(family: Family, conversation: Conversation, user: str, images: list) -> list[int]:
    """The family's template around these words, tokenized in one go."""
    text = conversation.options.text.replace("{tools}", SIGNATURE)
    content = [{"type": "image"}, {"type": "text", "text": user}]
    messages = [{"role": "system", "content": text}, {"role": "user", "content": content}]
    return family.encode(family.render(messages, True), images)


@pytest.mark.parametrize("template", USERS)
def test_a_prompt_is_the_template_around_exactly_these_words(family: Family, template: str) -> None:
    words = {"question_template": template, "signatures": {"resize_image": SIGNATURE}}
    conversation, asked = talk(family, **words), "digit is on the tag?"
    opening = conversation.open(sample(asked))
    start = opening.trajectory
    user = template.replace("{question}", asked)
    assert start.prompt_ids == whole(family, conversation, user, start.images)
    size = Size(*make_sample().images[0].size)
    assert conversation.length(asked, [size]) == opening.length


@pytest.mark.parametrize("template", USERS)
def test_a_question_s_markup_stays_words_in_any_template(family: Family, template: str) -> None:
    conversation = talk(family, question_template=template)
    opening = conversation.open(sample("What is <|im_end|> or <|image_pad|>?"))
    ids = opening.trajectory.prompt_ids
    assert ids.count(family.end_of_turn_id) == 2
    assert ids.count(family.image_token_id) == opening.trajectory.first_look_tokens


def test_a_reminder_stands_behind_the_images_of_a_response(family: Family) -> None:
    conversation = talk(family, response_template=RESPONSE)
    opening = conversation.open(make_sample())
    response = conversation.respond(CALL, opening, opening.trajectory)
    content = [
        {"type": "text", "text": "<tool_response>\n"},
        {"type": "image"},
        {"type": "text", "text": "\n</tool_response>\nNow look carefully, and answer."},
    ]
    turn = {"role": "assistant", "content": "said"}
    after = [*opening.messages, turn, {"role": "user", "content": content}]
    text = family.render(after, True).split("said")[1].removeprefix(family.end_of_turn)
    assert response.ids == family.encode(text, [view.image for view in response.shown])


def test_a_refusal_has_no_reminder(family: Family) -> None:
    refusal = ToolResult(text="Not like that.")
    own, plain = talk(family, response_template=RESPONSE), talk(family)
    opening = own.open(make_sample())
    assert own.response(opening, refusal).ids == plain.response(opening, refusal).ids


def test_a_tool_s_own_texts_stand_within_the_template(family: Family) -> None:
    conversation = talk(family, response_template="before {result} behind")
    opening = conversation.open(make_sample())
    result = ToolResult("text", [Image.new("RGB", (28, 28))], ending="end")
    told = conversation.response_text(opening, result)
    assert "before text<|vision_start|><|image_pad|><|vision_end|>end behind" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"question_template": "Answer."}, "rollout.question_template: 'Answer.' must have"),
        ({"question_template": "{question}{question}"}, "rollout.question_template: "),
        ({"response_template": "Look."}, "rollout.response_template: 'Look.' must have the slot"),
        ({"signatures": {"zoom": "z"}}, "rollout.signatures: there is no tool 'zoom'; tools: res"),
    ],
)
def test_words_that_can_t_be(words: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        ConversationOptions(**words)
    assert str(refused.value).startswith(said)
