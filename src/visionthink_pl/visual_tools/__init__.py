"""What the model may call."""

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
