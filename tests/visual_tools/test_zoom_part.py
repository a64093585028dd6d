"""Parts that have names."""

from typing import Any

import pytest
from PIL import Image

from visionthink_pl.types import Box, ConfigError, View
from visionthink_pl.visual_tools import ToolError, ViewState, ZoomPart, check_tool
from visual_tools.test_zoom import FULL, LIMITS, ORIGINAL, SAMPLE, SEEN

PARTS = [
    ("top left", Box(0, 0, 224, 112)),
    ("top right", Box(224, 0, 448, 112)),
    ("bottom left", Box(0, 112, 224, 224)),
    ("bottom right", Box(224, 112, 448, 224)),
]


def shown(tool: ZoomPart, *before: View, **arguments: Any) -> View:
    (view,) = tool.run(ViewState(SAMPLE, [FULL], [SEEN, *before], LIMITS), arguments).shown
    return view


@pytest.mark.parametrize(("name", "box"), PARTS)
def test_the_part_that_was_named(name: str, box: Box) -> None:
    view = shown(ZoomPart(), part=name)
    assert (view.box, view.source) == (box, 0)
    assert view.image == LIMITS.apply(ORIGINAL.crop(box))


def test_a_part_is_shown_once() -> None:
    first = shown(ZoomPart(), part="top left")
    with pytest.raises(ToolError, match="already been shown"):
        shown(ZoomPart(), first, part="top left")
    assert shown(ZoomPart(), first, part="top right").box == PARTS[1][1]


def test_parts_of_one_s_own() -> None:
    tool = ZoomPart({"middle": [0.25, 0.25, 0.5, 0.75], "all": [0, 0, 1, 1]}, enlarge=2.0)
    check_tool(tool)
    assert tool.parameters["properties"]["part"] == {"enum": ["middle", "all"]}
    assert shown(tool, part="middle").box == Box(112, 56, 224, 168)
    assert shown(tool, part="all").box is None
    assert not tool.validator.is_valid({"part": "top left"})


def test_an_image_that_is_not_there() -> None:
    with pytest.raises(ToolError, match="There is no image 2: there are 1"):
        shown(ZoomPart(), part="top left", image=2)


def test_a_part_of_a_tiny_image_is_too_small() -> None:
    state = ViewState(SAMPLE, [FULL], [SEEN], LIMITS)
    tiny = ZoomPart({"corner": [0, 0, 0.01, 0.01]})
    with pytest.raises(ToolError, match="too small"):
        tiny.run(state, {"part": "corner"})


@pytest.mark.parametrize(
    "sides", [[0, 0, 1], [0.5, 0, 0.5, 1], [0.5, 0, 0.4, 1], [0, 0, 2, 1], [-0.1, 0, 1, 1]]
)
def test_parts_that_are_none_are_refused(sides: list[float]) -> None:
    with pytest.raises(ConfigError, match="ZoomPart.parts: 'a' must be left, top, right"):
        ZoomPart({"a": sides})


def test_without_parts_there_is_no_tool() -> None:
    with pytest.raises(ConfigError, match="at least one part"):
        ZoomPart({})


def test_several_images() -> None:
    other = Image.new("RGB", (100, 100), "red")
    sample = type(SAMPLE)("two", "Which?", "7", (ORIGINAL, other), "k")
    state = ViewState(sample, [FULL, View(other, source=1)], [SEEN], LIMITS)
    (view,) = ZoomPart().run(state, {"part": "bottom right", "image": 2}).shown
    assert (view.source, view.box) == (1, Box(50, 50, 100, 100))
