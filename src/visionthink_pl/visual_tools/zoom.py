"""Zooms: a part of the original image at its own resolution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from annotated_types import Ge
from PIL import Image

from visionthink_pl.images import Size
from visionthink_pl.types import Box, BoxUnit, View
from visionthink_pl.types.limits import limited
from visionthink_pl.visual_tools.base import (
    BOX_UNIT,
    BOX_UNITS,
    ToolError,
    ToolResult,
    ViewState,
    VisualTool,
)
from visionthink_pl.visual_tools.boxes import box_in_original


class Zoom(VisualTool):
    """Shows a box of an image that was shown before, cut out of the original: of a view that is
    itself a part, the box is within that part.

    Args:
        unit: of the model's boxes; by default what its family was trained on. Qwen2.5-VL names
            ``pixels``, Qwen2-VL and Qwen3-VL ``thousandths``; ``ratio`` is from 0 to 1.
        enlarge: how many times larger than in the original a part may be shown, in width and
            height. Above 1 it adds tokens, and no detail.
    """

    name = "zoom"
    parameters = {
        "type": "object",
        "properties": {
            "box": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
            "view": {"type": "integer", "minimum": 1},
        },
        "required": ["box"],
        "additionalProperties": False,
    }

    @limited()
    def __init__(self, unit: BoxUnit | None = None, enlarge: Annotated[float, Ge(1)] = 1.0) -> None:
        self.unit, self.enlarge = unit, enlarge
        self.description = (
            "Show a part of an image in full detail. view: the number of the image, in the order "
            f"in which they were shown, 1 if left out. box: [left, top, right, bottom] in "
            f"{BOX_UNITS[unit] if unit else BOX_UNIT}."
        )

    def offers(self, first: Sequence[int], full: Sequence[int]) -> bool:
        """Where a part of an image can take fewer visual tokens than all of it."""
        return max(full) > 1

    def largest(self, state: ViewState) -> ToolResult:
        return largest_part(state)

    def run(self, state: ViewState, arguments: Mapping[str, Any]) -> ToolResult:
        number = int(arguments.get("view", 1))
        if number > len(state.views):
            raise ToolError(f"There is no view {number}: {len(state.views)} were shown.")
        view = state.views[number - 1]
        if view.source is None:
            raise ToolError(f"View {number} is no part of an image that could be zoomed into.")
        original = state.sample.images[view.source]
        size = Size(original.width, original.height)
        unit = self.unit or state.box_unit
        if unit is None:
            raise ValueError("neither the tool nor the family says the unit of boxes")
        box = box_in_original(arguments["box"], unit, view, size)
        return ToolResult(views=[part_of(state, view.source, box, self.enlarge)])


def largest_part(state: ViewState) -> ToolResult:
    """A part of the largest image that has as many pixels as the limits left of it all."""
    view = max(state.full, key=lambda view: view.image.width * view.image.height)
    return ToolResult(views=[replace(view, box=Box(0, 0, *view.image.size))])


def part_of(state: ViewState, source: int, box: Box, enlarge: float) -> View:
    """A part of an original, enlarged as far as the limits let it, or shrunk into them.

    Args:
        state: what a tool is told.
        source: which image of the sample.
        box: the part of it.
        enlarge: times its width and height, at most.
    """
    original, limits = state.sample.images[source], state.limits
    part = original.crop(box)
    room = math.sqrt(limits.max_pixels / (part.width * part.height))
    if (scale := min(enlarge, room)) > 1:
        sides = (int(part.width * scale), int(part.height * scale))
        part = part.resize(sides, Image.Resampling.BICUBIC)
    whole = box == Box(0, 0, *original.size)
    return View(limits.apply(part), source=source, box=None if whole else box)
