"""The tool that shows the full image."""

from dataclasses import replace

import jsonschema
import pytest
from PIL import Image

from helpers import make_sample
from visionthink_pl.images import half
from visionthink_pl.types import Box, View
from visionthink_pl.visual_tools import ResizeImage, ToolError, ViewState

FULL = [View(Image.new("RGB", (112, 112)), source=0), View(Image.new("RGB", (84, 56)), source=1)]
HALVES = [replace(view, image=half(view.image)) for view in FULL]
CORNER = View(FULL[0].image.crop((0, 0, 56, 56)), source=0, box=Box(0, 0, 56, 56))


def state(*views: View) -> ViewState:
    return ViewState(make_sample(), FULL, [*HALVES, *views])


def test_shows_all_full_images() -> None:
    result = ResizeImage().run(state(), {"action": "resize"})
    assert result.shown == FULL and result.text == ""


def test_a_second_time_is_refused() -> None:
    assert state(*FULL).high_shown
    with pytest.raises(ToolError, match="already"):
        ResizeImage().run(state(*FULL), {"action": "resize"})


@pytest.mark.parametrize(
    "views",
    [
        [CORNER],
        [replace(CORNER, image=FULL[0].image)],  # enlarged to the size of the whole
        [View(FULL[0].image), View(FULL[1].image)],  # nobody says of what
        FULL[:1],
        [FULL[0], replace(FULL[1], source=0)],
    ],
    ids=["a corner", "an enlarged corner", "unknown", "one of two", "one of two, twice"],
)
def test_what_is_no_full_look_is_not_taken_for_one(views: list[View]) -> None:
    assert not state(*views).high_shown
    assert ResizeImage().run(state(*views), {"action": "resize"}).shown == FULL


def test_signature_is_the_papers_protocol() -> None:
    signature = ResizeImage().signature()
    assert signature["type"] == "function"
    function = signature["function"]
    assert set(function) == {"name", "description", "parameters"}
    assert function["name"] == "resize_image"
    assert function["parameters"]["properties"] == {
        "action": {"type": "string", "enum": ["resize"]}
    }


@pytest.mark.parametrize(
    ("arguments", "valid", "why"),
    [
        ({"action": "resize"}, True, "the one call there is"),
        ({}, False, "a missing argument"),
        ({"action": "crop"}, False, "another action"),
        ({"action": None}, False, "no action"),
        ({"action": "resize", "factor": 2}, False, "an argument too many"),
        ("resize", False, "no object"),
    ],
)
def test_schema(arguments: object, valid: bool, why: str) -> None:
    jsonschema.Draft202012Validator.check_schema(ResizeImage.parameters)
    assert jsonschema.Draft202012Validator(ResizeImage.parameters).is_valid(arguments) == valid, why
