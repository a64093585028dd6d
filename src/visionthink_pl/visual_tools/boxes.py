"""Boxes that a model names: in its own unit, within a view, mapped to the original image."""

from __future__ import annotations

import math
from collections.abc import Sequence

from visionthink_pl.images import Size
from visionthink_pl.types import Box, BoxUnit, View
from visionthink_pl.visual_tools.base import ToolError

LEAST = 8  # pixels of the original, of a side
THINNEST = 50  # times the other side


def box_in_original(numbers: Sequence[float], unit: BoxUnit, view: View, original: Size) -> Box:
    """The part of the original that a box within a view means, rounded outwards. What lies outside
    of the view is cut off.

    Args:
        numbers: left, top, right and bottom.
        unit: of these numbers: pixels of the view as the vision tower reads it, thousandths of its
            sides, or shares of them.
        view: that has been shown.
        original: size of the image that it comes from.

    Raises:
        ToolError: the box is empty, outside of the view, too small or too thin.
    """
    across, down = _sides(unit, view)
    left, top, right, bottom = numbers
    for low, high, names in ((left, right, "left ... right"), (top, bottom, "top ... bottom")):
        if not low < high:  # which NaN is not, either
            first, _, last = names.partition(" ... ")
            raise ToolError(f"The box is empty: {first} must be less than {last}.")
    part = view.box or Box(0, 0, original.width, original.height)
    horizontal = _mapped(left / across, right / across, part.left, part.right)
    vertical = _mapped(top / down, bottom / down, part.top, part.bottom)
    box = Box(horizontal[0], vertical[0], horizontal[1], vertical[1])
    _check(box.right - box.left, box.bottom - box.top)
    return box


def _sides(unit: BoxUnit, view: View) -> tuple[float, float]:
    """What the sides of a view measure in a unit."""
    if unit == "pixels":
        assert view.seen is not None, "the view has not been shown"
        return view.seen
    return (1000, 1000) if unit == "thousandths" else (1, 1)


def _mapped(low: float, high: float, start: int, end: int) -> tuple[int, int]:
    """An interval of shares of [start, end), in whole pixels."""
    low, high = max(low, 0.0), min(high, 1.0)
    if not low < high:
        raise ToolError("The box lies outside of the image.")
    length = end - start
    # A share such as 3 / 10 of 10 pixels is not exactly 3.
    first = start + math.floor(low * length + 1e-6)
    last = start + math.ceil(high * length - 1e-6)
    return first, last


def _check(width: int, height: int) -> None:
    if min(width, height) < LEAST:
        raise ToolError(
            f"The box is too small: {width} x {height} pixels of the image; at least {LEAST} x "
            f"{LEAST}."
        )
    if max(width, height) > THINNEST * min(width, height):
        raise ToolError(
            f"The box is too thin: {width} x {height} pixels of the image; at most {THINNEST} to 1."
        )
