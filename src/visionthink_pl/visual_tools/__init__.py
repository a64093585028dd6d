"""Tools that the model may call to see more."""

from visionthink_pl.visual_tools.base import (
    ToolError,
    ToolResult,
    ViewState,
    VisualTool,
    check_tool,
    checked,
)
from visionthink_pl.visual_tools.resize import ResizeImage

__all__ = [
    "ResizeImage",
    "ToolError",
    "ToolResult",
    "ViewState",
    "VisualTool",
    "check_tool",
    "checked",
]
