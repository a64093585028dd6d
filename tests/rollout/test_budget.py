"""How much a trajectory may be shown, and how long it may become."""

from dataclasses import replace
from typing import Any

import pytest

from helpers import CALL, make_sample
from visionthink_pl.families import Family
from visionthink_pl.images import FullView, Size
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.opening import Opening
from visionthink_pl.rollout.replies import InvalidCall
from visionthink_pl.types import ConfigError, Turn
from visionthink_pl.visual_tools import ResizeImage, Zoom, ZoomPart

NEW = 40


def talk(family: Family, **options: Any) -> Conversation:
    return Conversation(family, ConversationOptions(max_new_tokens=NEW, **options))


def opened(family: Family, **options: Any) -> tuple[Conversation, Opening]:
    conversation = talk(family, **options)
    return conversation, conversation.open(make_sample(size=(112, 112)))


def left(conversation: Conversation, opening: Opening) -> int | None:
    return conversation.state(opening, opening.trajectory).visual_tokens_left


def test_without_limits_the_model_s_own_is_the_limit(family: Family) -> None:
    assert family.addressable == 4096  # the embedded model's max_position_embeddings
    conversation, opening = opened(family)
    room = 4096 - len(opening.trajectory.prompt_ids) - NEW
    assert conversation.budget.room(opening.trajectory) == room == left(conversation, opening)


def test_what_is_left_counts_the_first_look_and_all_behind_it(family: Family) -> None:
    """Of 112 x 112 pixels 4 tokens are seen first, and 16 in full."""
    conversation, opening = opened(family, max_visual_tokens=30)
    assert left(conversation, opening) == 30 - 4
    response = conversation.respond(CALL, opening, opening.trajectory)
    turn = Turn([1] * 9, [0.0] * 9, "", CALL, None, None, *response)
    opening.trajectory.turns.append(turn)
    assert response.visual_tokens == 16 and left(conversation, opening) == 30 - 4 - 16


@pytest.mark.parametrize(("most", "fits"), [(19, False), (20, True), (4, False)])
def test_a_call_beyond_the_visual_tokens_is_refused_in_words(
    family: Family, most: int, fits: bool
) -> None:
    conversation, opening = opened(family, max_visual_tokens=most)
    if fits:
        assert conversation.respond(CALL, opening, opening.trajectory).visual_tokens == 16
        return
    with pytest.raises(InvalidCall) as refused:
        conversation.respond(CALL, opening, opening.trajectory)
    assert str(refused.value) == (
        f"That would show 16 visual tokens; {most - 4} are left. Ask for less, or answer."
    )


def test_a_response_leaves_room_for_a_turn_or_is_refused(family: Family) -> None:
    conversation, opening = opened(family)
    ids = conversation.respond(CALL, opening, opening.trajectory).ids
    just = len(opening.trajectory.prompt_ids) + len(ids) + NEW
    roomy, _ = opened(family, max_trajectory_tokens=just)
    assert roomy.respond(CALL, opening, opening.trajectory).ids == ids
    short, _ = opened(family, max_trajectory_tokens=just - 1)
    with pytest.raises(InvalidCall) as refused:
        short.respond(CALL, opening, opening.trajectory)
    assert str(refused.value) == (
        f"That would take {len(ids)} tokens; {len(ids) - 1} are left. Ask for less, or answer."
    )


def test_prompts_that_leave_no_room_are_bad_rows(family: Family) -> None:
    conversation, opening = opened(family)
    length = opening.length
    assert conversation.budget.too_long(length) is None
    tokens = f"{length.tokens} tokens, of which 4 are visual"
    table: list[tuple[dict[str, int], str | None]] = [
        ({"max_prompt_tokens": length.tokens}, None),
        ({"max_prompt_tokens": length.tokens - 1}, f"prompt too long: {tokens}; at most "),
        ({"max_visual_tokens": 4}, None),
        ({"max_visual_tokens": 3}, "first look too large: 4 visual tokens; at most 3"),
        ({"max_trajectory_tokens": length.tokens + NEW}, None),
        (
            {"max_trajectory_tokens": length.tokens + NEW - 1},
            f"prompt too long: {tokens}; with a turn of 40 at most {length.tokens + NEW - 1}",
        ),
    ]
    for options, reason in table:
        found = talk(family, **options).budget.too_long(length)
        assert (found is None) == (reason is None) and (found or "").startswith(reason or "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_trajectory_tokens": 4097}, "rollout.max_trajectory_tokens: at most 4096, which the"),
        ({"max_trajectory_tokens": NEW}, "rollout.max_new_tokens: 40 leave no room for a prompt"),
    ],
)
def test_lengths_that_can_t_be(family: Family, options: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        talk(family, **options)
    assert str(refused.value).startswith(said)


# The first look, the tools, and how many are offered about squares of so many pixels a side.
OFFERS = [
    (None, [ResizeImage()], {112: 1, 56: 1, 28: 0}),
    (None, [Zoom("ratio")], {112: 1, 56: 1, 28: 0}),
    (None, [ResizeImage(), ZoomPart()], {112: 2, 28: 0}),
    (FullView(), [ZoomPart(), Zoom()], {112: 2, 28: 0}),
]


@pytest.mark.parametrize(("view", "tools", "offered"), OFFERS)
def test_a_tool_is_offered_where_it_can_add_something(
    family: Family, view: Any, tools: list, offered: dict[int, int]
) -> None:
    conversation = talk(family, tools=tools, first_view=view)
    for side, count in offered.items():
        sample = make_sample(size=(side, side))
        opening = conversation.open(sample)
        names = opening.trajectory.tools_offered
        prompt = family.decode(opening.trajectory.prompt_ids)
        assert [f'"name":"{tool.name}"' in prompt for tool in tools] == [
            tool.name in names for tool in tools
        ]
        assert conversation.length(sample.question, [Size(side, side)]) == opening.length
        assert len(names) == count


def test_all_that_was_shown_first_may_be_zoomed_into(family: Family) -> None:
    """DeepEyes' and Mini-o3's way: the whole image first, then parts of it."""
    conversation, opening = opened(family, tools=[ZoomPart()], first_view=FullView(), max_turns=3)
    assert opening.trajectory.first_look_tokens == opening.full_look_tokens == 16
    call = conversation.call(
        '<tool_call>{"name":"zoom_part","arguments":{"part":"top left"}}</tool_call>',
        opening.trajectory.tools_offered,
    )
    assert call is not None
    response = conversation.respond(call, opening, replace(opening.trajectory))
    assert response.visual_tokens == 4 and response.shown[0].box == (0, 0, 56, 56)


def test_an_image_that_is_shown_first_and_in_full_is_prepared_once(family: Family) -> None:
    conversation = talk(family, tools=[Zoom()], first_view=FullView())
    assert len(conversation.may_show(conversation.views(make_sample()))) == 1
    half = talk(family, tools=[Zoom()])
    assert len(half.may_show(half.views(make_sample()))) == 2


def test_a_tool_that_adds_nothing_to_the_full_image_is_refused_behind_it() -> None:
    with pytest.raises(ConfigError, match=r"^rollout\.tools: resize_image would never be offered"):
        ConversationOptions(tools=[ResizeImage(), Zoom()], first_view=FullView())
