"""Zooms into parts that have names, which needs no model that can name places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from annotated_types import Ge

from visionthink_pl.images import Size
from visionthink_pl.types import ConfigError, View
from visionthink_pl.types.limits import limited
from visionthink_pl.visual_tools.base import ToolError, ToolResult, ViewState, VisualTool
from visionthink_pl.visual_tools.boxes import box_in_original
from visionthink_pl.visual_tools.zoom import largest_part, part_of

QUARTERS = {
    "top left": (0.0, 0.0, 0.5, 0.5),
    "top right": (0.5, 0.0, 1.0, 0.5),
    "bottom left": (0.0, 0.5, 0.5, 1.0),
    "bottom right": (0.5, 0.5, 1.0, 1.0),
}


class ZoomPart(VisualTool):
    """Shows a part of an image by its name, cut out of the original, once (after AwaRes,
    arXiv 2603.16932, whose model chooses among fixed crops).

    Args:
        parts: left, top, right and bottom of each part, from 0 to 1, by its name; by default the
            four quarters.
        enlarge: how many times larger than in the original a part may be shown, in width and
            height. Above 1 it adds tokens, and no detail.
    """

    name = "zoom_part"
    description = (
        "Show a part of an image in full detail. image: its number, counted from 1, 1 if left out."
    )

    @limited()
    def __init__(
        self,
        parts: dict[str, list[float]] | None = None,
        enlarge: Annotated[float, Ge(1)] = 1.0,
    ) -> None:
        self.parts: Mapping[str, Sequence[float]] = QUARTERS if parts is None else parts
        self.enlarge = enlarge
        for name, sides in self.parts.items():
            _check(name, sides)
        if not self.parts:
            raise ConfigError("rollout.tools: ZoomPart.parts: at least one part is needed")
        self.parameters = {
            "type": "object",
            "properties": {
                "part": {"enum": list(self.parts)},
                "image": {"type": "integer", "minimum": 1},
            },
            "required": ["part"],
            "additionalProperties": False,
        }

    def offers(self, first: Sequence[int], full: Sequence[int]) -> bool:
        """Where a part of an image can take fewer visual tokens than all of it."""
        return max(full) > 1

    def largest(self, state: ViewState) -> ToolResult:
        return largest_part(state)

    def run(self, state: ViewState, arguments: Mapping[str, Any]) -> ToolResult:
        number, images = int(arguments.get("image", 1)), state.sample.images
        if number > len(images):
            raise ToolError(f"There is no image {number}: there are {len(images)}.")
        source = number - 1
        whole = View(images[source], source=source)
        sides, size = self.parts[arguments["part"]], Size(*images[source].size)
        view = part_of(state, source, box_in_original(sides, "ratio", whole, size), self.enlarge)
        if any((one.source, one.box) == (source, view.box) for one in state.views if one.box):
            raise ToolError("This part has already been shown.")
        return ToolResult(views=[view])


def _check(name: str, sides: Sequence[float]) -> None:
    """Refuse a part that is none."""
    if len(sides) == 4:
        left, top, right, bottom = sides
        if 0 <= left < right <= 1 and 0 <= top < bottom <= 1:
            return
    raise ConfigError(
        f"rollout.tools: ZoomPart.parts: {name!r} must be left, top, right and bottom, from 0 to 1 "
        f"and in order, not {list(sides)}"
    )
