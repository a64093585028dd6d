"""Boxes that a model names, in each unit, and what is refused."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from visionthink_pl.images import Size
from visionthink_pl.types import Box, View
from visionthink_pl.visual_tools import ToolError
from visionthink_pl.visual_tools.boxes import LEAST, THINNEST, BoxUnit, box_in_original

ORIGINAL = Size(1000, 600)
IMAGE = Image.new("RGB", (500, 300))
WHOLE = View(IMAGE, source=0, seen=(504, 308))
PART = View(IMAGE, source=0, box=Box(200, 100, 600, 400), seen=(504, 308))

MEANT: list[tuple[list[float], BoxUnit, View, Box]] = [
    ([0, 0, 504, 308], "pixels", WHOLE, Box(0, 0, 1000, 600)),
    ([126, 77, 252, 154], "pixels", WHOLE, Box(250, 150, 500, 300)),
    ([250, 250, 500, 500], "thousandths", WHOLE, Box(250, 150, 500, 300)),
    ([0.25, 0.25, 0.5, 0.5], "ratio", WHOLE, Box(250, 150, 500, 300)),
    ([0, 0, 1, 1], "ratio", WHOLE, Box(0, 0, 1000, 600)),  # one pixel, were it guessed
    ([0, 0, 1, 1], "ratio", PART, Box(200, 100, 600, 400)),
    ([500, 500, 1000, 1000], "thousandths", PART, Box(400, 250, 600, 400)),
    ([252, 0, 504, 154], "pixels", PART, Box(400, 100, 600, 250)),
    ([-50, -1e300, 500, 1e300], "thousandths", WHOLE, Box(0, 0, 500, 600)),  # is cut off
    ([100.2, 100.2, 300.7, 300.7], "thousandths", WHOLE, Box(100, 60, 301, 181)),  # outwards
]


@pytest.mark.parametrize(("numbers", "unit", "view", "box"), MEANT)
def test_what_is_meant(numbers: list[float], unit: BoxUnit, view: View, box: Box) -> None:
    assert box_in_original(numbers, unit, view, ORIGINAL) == box


NAN, INFINITE = math.nan, math.inf
REFUSED = [
    ([500, 0, 500, 900], "The box is empty: left must be less than right."),
    ([600, 0, 500, 900], "The box is empty: left must be less than right."),
    ([0, 900, 500, 100], "The box is empty: top must be less than bottom."),
    ([NAN, 0, 500, 900], "The box is empty: left must be less than right."),
    ([0, 0, 500, NAN], "The box is empty: top must be less than bottom."),
    ([INFINITE, 0, INFINITE, 900], "The box is empty: left must be less than right."),
    ([1000, 0, 1200, 900], "The box lies outside of the image."),
    ([0, -90, 500, -10], "The box lies outside of the image."),
    ([0, 0, 7, 900], "The box is too small: 7 x 540 pixels of the image; at least 8 x 8."),
    ([0, 0, 1000, 20], "The box is too thin: 1000 x 12 pixels of the image; at most 50 to 1."),
]


@pytest.mark.parametrize(("numbers", "said"), REFUSED)
def test_what_is_refused(numbers: list[float], said: str) -> None:
    with pytest.raises(ToolError) as refused:
        box_in_original(numbers, "thousandths", WHOLE, ORIGINAL)
    assert str(refused.value) == said


numbers = st.floats(-1200, 1200, width=32)


@given(st.tuples(numbers, numbers, numbers, numbers), st.sampled_from([WHOLE, PART]))
def test_any_box_lies_within_its_view_and_can_be_shown(
    found: tuple[float, float, float, float], view: View
) -> None:
    part = view.box or Box(0, 0, *(ORIGINAL.width, ORIGINAL.height))
    for unit in ("pixels", "thousandths", "ratio"):
        try:
            box = box_in_original(found, unit, view, ORIGINAL)
        except ToolError:
            continue
        assert part.left <= box.left < box.right <= part.right
        assert part.top <= box.top < box.bottom <= part.bottom
        width, height = box.right - box.left, box.bottom - box.top
        assert min(width, height) >= LEAST
        assert max(width, height) <= THINNEST * min(width, height)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=2, unique=True).map(sorted))
def test_units_agree(sides: list[int]) -> None:
    low, high = sides
    ends = []
    for scale, unit in ((504 / 1000, "pixels"), (1, "thousandths"), (1 / 1000, "ratio")):
        box = [low * scale, 0, high * scale, 308 * scale]
        try:
            found = box_in_original(box, unit, WHOLE, ORIGINAL)  # type: ignore[arg-type]
            ends.append((found.left, found.right))
        except ToolError as error:
            ends.append(str(error)[:22])
    assert all(one == other for one, other in pairwise(ends))
