"""Tools that the model may call to see more."""

from visionthink_pl.visual_tools.base import (
    ToolError,
    ToolFailure,
    ToolResult,
    ViewState,
    VisualTool,
    carried_out,
    check_tool,
)
from visionthink_pl.visual_tools.resize import ResizeImage
from visionthink_pl.visual_tools.zoom import Zoom
from visionthink_pl.visual_tools.zoom_part import ZoomPart

__all__ = [
    "ResizeImage",
    "ToolError",
    "ToolFailure",
    "ToolResult",
    "ViewState",
    "VisualTool",
    "Zoom",
    "ZoomPart",
    "carried_out",
    "check_tool",
]
