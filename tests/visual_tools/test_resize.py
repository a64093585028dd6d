"""The tool that shows the full image."""

import jsonschema
import pytest
from PIL import Image

from helpers import make_sample
from visionthink_pl.visual_tools import ResizeImage, ToolError, ViewState


def test_shows_the_full_image_and_notes_it() -> None:
    state = ViewState([Image.new("RGB", (112, 112))], make_sample())
    result = ResizeImage().run(state, {"action": "resize"})
    assert result.images == state.high and len(state.high) == 1
    assert result.text == ""
    assert state.high_shown


def test_a_second_time_is_refused() -> None:
    state = ViewState([Image.new("RGB", (112, 112))], make_sample(), high_shown=True)
    with pytest.raises(ToolError, match="already"):
        ResizeImage().run(state, {"action": "resize"})


def test_signature_is_the_papers_protocol() -> None:
    signature = ResizeImage().signature
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
