"""The paper's tool: show the full image (Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visionthink_pl.visual_tools.base import ToolError, ToolResult, ViewState, VisualTool


class ResizeImage(VisualTool):
    """Shows the image, or all images of the sample, at full resolution, once."""

    name = "resize_image"
    description = "Show the image at full resolution."
    parameters = {
        "type": "object",
        "properties": {"action": {"type": "string", "enum": ["resize"]}},
        "required": ["action"],
        "additionalProperties": False,
    }

    def run(self, state: ViewState, arguments: Mapping[str, Any]) -> ToolResult:
        if state.high_shown:
            raise ToolError("The image has already been shown at full resolution.")
        return ToolResult(views=list(state.full))

    def largest(self, state: ViewState) -> ToolResult:
        return ToolResult() if state.high_shown else super().largest(state)
