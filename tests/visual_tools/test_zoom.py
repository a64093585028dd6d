"""A part of the original at its own resolution."""

import json
from typing import Any

import pytest
import torch
from PIL import Image

from equivalence import naive
from helpers import make_sample
from visionthink_pl.families import FAMILIES, Family
from visionthink_pl.images import PixelLimits
from visionthink_pl.policy import Policy
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import Box, ConfigError, ToolCall, View, VQASample
from visionthink_pl.visual_tools import ResizeImage, ToolError, ViewState, Zoom, check_tool

LIMITS = PixelLimits(max_pixels=112 * 112)


def gradient(width: int, height: int) -> Image.Image:
    """No two pixels are alike."""
    image = Image.new("RGB", (width, height))
    image.putdata([(i % 256, i // 256 % 256, i // 65536) for i in range(width * height)])
    return image


ORIGINAL = gradient(448, 224)
SAMPLE = VQASample("one", "Which?", "7", (ORIGINAL,), "k")
FULL = View(LIMITS.apply(ORIGINAL), source=0)
SEEN = View(FULL.image.resize((78, 39)), source=0, seen=(84, 28))


def zoomed(zoom: Zoom, box: list[float], *before: View, **more: Any) -> View:
    state = ViewState(SAMPLE, [FULL], [SEEN, *before], LIMITS)
    (view,) = zoom.run(state, {"box": box, **more}).shown
    return view


def test_a_part_comes_from_the_original_at_its_own_resolution() -> None:
    view = zoomed(Zoom("ratio"), [0.25, 0.5, 0.5, 1.0])
    assert view.box == Box(112, 112, 224, 224) and view.source == 0
    assert view.image == ORIGINAL.crop(view.box)  # of a page of four times the limit


def test_a_large_part_is_shrunk_into_the_limits() -> None:
    view = zoomed(Zoom("ratio"), [0, 0, 1, 0.5])
    assert view.box == Box(0, 0, 448, 112)
    assert view.image == LIMITS.apply(ORIGINAL.crop(view.box)) and view.image.width < 448


@pytest.mark.parametrize(("enlarge", "size"), [(1.0, (56, 28)), (2.0, (112, 56)), (9.0, (158, 79))])
def test_a_small_part_is_enlarged_as_far_as_asked_and_the_limits_let_it(
    enlarge: float, size: tuple[int, int]
) -> None:
    assert zoomed(Zoom("ratio", enlarge), [0, 0, 0.125, 0.125]).image.size == size


def test_a_zoom_into_a_zoom_lands_in_the_original_s_pixels() -> None:
    part = View(ORIGINAL.crop((112, 0, 336, 112)), source=0, box=Box(112, 0, 336, 112))
    view = zoomed(Zoom("thousandths"), [500, 500, 1000, 1000], part, view=2)
    assert view.box == Box(224, 56, 336, 112) and view.image == ORIGINAL.crop(view.box)


def test_the_whole_is_no_part() -> None:
    assert zoomed(Zoom("ratio"), [0, 0, 1, 1]).box is None


@pytest.mark.parametrize(
    ("number", "said"),
    [(3, "There is no view 3: 2 were shown."), (2, "View 2 is no part of an image")],
)
def test_views_that_can_t_be_zoomed_into(number: int, said: str) -> None:
    with pytest.raises(ToolError, match=said):
        zoomed(Zoom("ratio"), [0, 0, 1, 1], View(ORIGINAL), view=number)


@pytest.mark.parametrize(
    ("arguments", "valid"),
    [
        ({"box": [0, 0, 1, 1]}, True),
        ({"box": [0, 0.5, 1, 1], "view": 2}, True),
        ({"box": [0, 0, 1]}, False),
        ({"box": [0, 0, 1, "1"]}, False),
        ({"box": [0, 0, 1, 1], "view": 0}, False),
        ({"box": [0, 0, 1, 1], "view": 1.5}, False),
        ({"view": 1}, False),
    ],
)
def test_schema(arguments: dict[str, Any], valid: bool) -> None:
    assert Zoom("ratio").validator.is_valid(arguments) == valid


def test_the_unit_is_said_once_and_the_prompt_tells_it() -> None:
    for unit in ("pixels", "thousandths", "ratio"):
        zoom = Zoom(unit)  # type: ignore[arg-type]
        check_tool(zoom)
        assert unit.replace("ratio", "shares") in json.dumps(zoom.signature())
    with pytest.raises(ConfigError):
        Zoom("ratio", enlarge=0.5)


class Calling(Conversation):
    """Turns call what the list says, whatever they are; then they are read as they are."""

    calls: list[ToolCall]

    def call(self, text: str, offered: object) -> ToolCall | None:
        return self.calls.pop(0) if self.calls else None


CALLS = [
    ToolCall("zoom", {"box": [0.0, 0.0, 0.5, 0.5]}),
    ToolCall("zoom", {"box": [0.5, 0.0, 0.4, 1.0]}),  # is refused
    ToolCall("zoom", {"box": [0.25, 0.25, 1.0, 0.9], "view": 2}),
    ToolCall("resize_image", {"action": "resize"}),  # no part is taken for the whole
    ToolCall("zoom", {"box": [0.0, 0.5, 0.3, 1.0]}),
]


@pytest.mark.equivalence
def test_six_turns_of_zooms_and_refused_calls_are_the_oracle_s(policy: Policy) -> None:
    options = ConversationOptions(tools=[Zoom("ratio"), ResizeImage()], max_turns=6)
    sampling = Sampling(6, 40, 8, seed=0)
    conversation, sample = Calling(policy.family, options), make_sample(size=(168, 112))
    conversation.calls = list(CALLS)
    (group,) = RolloutEngine(policy, conversation, sampling).rollout([sample], 1, draw=0)
    conversation.calls = list(CALLS)
    ((wanted,),) = naive.rollout(policy, conversation, sampling, [sample], 1, draw=0)
    (found,) = group.trajectories
    assert found.ids == wanted.ids and found.images == wanted.images
    assert found.visual_tokens == wanted.visual_tokens
    assert found.logprobs == pytest.approx(wanted.logprobs, abs=1e-5)
    assert found.looks == 4 and found.invalid_call and not found.tool_failed
    with torch.no_grad():
        trained, _ = policy.logprobs_and_entropies([found])
    assert trained.tolist() == pytest.approx(found.logprobs, abs=1e-5)


def test_sizes_are_those_in_which_the_tower_reads(family: Family) -> None:
    for size in ((112, 112), (113, 57), (30, 29), (500, 20)):
        image = Image.new("RGB", size)
        seen = family.seen(image)
        side = family.side  # type: ignore[attr-defined]
        assert family.visual_tokens(image) == (seen.width // side) * (seen.height // side)
        grid = family.pixels([image]).sizes[0].tolist()
        patch = family.processor.image_processor.patch_size
        assert [seen.height, seen.width] == [grid[1] * patch, grid[2] * patch]


@pytest.mark.parametrize(
    ("unit", "family_unit", "words"),
    [
        (None, "pixels", "in pixels of that image as it is shown."),
        (None, "thousandths", "in thousandths of that image's width and height."),
        ("ratio", "pixels", "in shares of that image's width and height, from 0 to 1."),
    ],
)
def test_the_prompt_says_the_family_s_unit_unless_told_otherwise(
    unit: Any, family_unit: Any, words: str
) -> None:
    told = Zoom(unit).signature(family_unit)["function"]["description"]
    assert told.endswith(words) and "{" not in told


def test_a_box_is_read_in_the_family_s_unit() -> None:
    """(21, 7) to (42, 14) of 84 x 28 pixels as seen: the second quarter of 448 x 224."""
    state = ViewState(SAMPLE, [FULL], [SEEN], LIMITS, "pixels")
    (view,) = Zoom().run(state, {"box": [21, 7, 42, 14]}).shown
    assert view.box == Box(112, 56, 224, 112)


def test_a_family_without_a_unit_is_refused(family: Family, monkeypatch: Any) -> None:
    monkeypatch.setattr(type(family), "box_unit", None)
    with pytest.raises(ConfigError, match=r"^rollout.tools: Zoom needs the unit"):
        Conversation(family, ConversationOptions(tools=[Zoom()]))
    Conversation(family, ConversationOptions(tools=[Zoom("ratio")]))


@pytest.mark.parametrize(
    ("name", "unit"),
    [("qwen2_vl", "thousandths"), ("qwen2_5_vl", "pixels"), ("qwen3_vl", "thousandths")],
)
def test_the_units_that_families_were_trained_on(name: str, unit: str) -> None:
    assert FAMILIES[name].box_unit == unit
