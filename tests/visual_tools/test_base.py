"""What a tool must say of itself, and what it may return."""

from collections.abc import Mapping
from typing import Any

import pytest
from PIL import Image

from helpers import make_sample
from trainer_helpers import make_rollout
from visionthink_pl.types import Box, ConfigError, RunStopped, View
from visionthink_pl.visual_tools import (
    ResizeImage,
    ToolError,
    ToolFailure,
    ToolResult,
    ViewState,
    VisualTool,
    carried_out,
)


class Unsaid(VisualTool):
    """Says nothing of itself."""

    def run(self, state: ViewState, arguments: Mapping[str, Any]) -> ToolResult:
        return ToolResult()


class Nameless(ResizeImage):
    name = ""


class Undescribed(ResizeImage):
    description = ""


class WithoutParameters(ResizeImage):
    parameters: Mapping[str, Any] = {}


class NoSchema(ResizeImage):
    parameters = {"type": "objct"}


REFUSED = [
    (Unsaid(), "Unsaid has no name; write name = ... in the class"),
    (Nameless(), "Nameless has no name; write name = ... in the class"),
    (Undescribed(), "Undescribed has no description; write description = ... in the class"),
    (WithoutParameters(), "WithoutParameters has no parameters; write parameters = ... in the"),
    (NoSchema(), "NoSchema.parameters is no JSON schema: 'objct' is not valid under any"),
]


@pytest.mark.parametrize(("tool", "message"), REFUSED)
def test_a_tool_that_says_too_little_is_refused_when_it_is_set_up(
    tool: VisualTool, message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        make_rollout(tools=[ResizeImage(), tool])
    assert str(refused.value).startswith(f"rollout.tools: {message}")


def image(width: int = 8, height: int = 8) -> Image.Image:
    return Image.new("RGB", (width, height))


# What a tool returns, and what the error says of it.
STATE = ViewState(make_sample(), [], [])


class Returns(ResizeImage):
    """Returns a result of any kind, or raises an error."""

    def __init__(self, result: Any) -> None:
        self._result = result

    def run(self, state: ViewState, arguments: Any) -> Any:
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


WRONG: list[tuple[Any, str]] = [
    (image(), "Image, not a ToolResult"),
    (None, "NoneType, not a ToolResult"),
    ([image()], "list, not a ToolResult"),
    (("", [image()]), "tuple, not a ToolResult"),
    (ToolResult(images=image()), "a ToolResult whose images is Image, not list"),
    (ToolResult(text=image()), "a ToolResult whose text is Image, not str"),
    (ToolResult(text=None), "a ToolResult whose text is NoneType, not str"),
    (ToolResult(images=[image(), "a.png"]), "a ToolResult with str among its images"),
    (ToolResult(ending=7), "a ToolResult whose ending is int, not str"),
    (ToolResult(views=View(image())), "a ToolResult whose views is View, not list"),
    (ToolResult(views=[image()]), "a ToolResult with Image among its views"),
    (ToolResult(views=[View(image(), caption=None)]), "a ToolResult with View among its views"),
    (ToolResult(views=[View("a.png")]), "a ToolResult with str among its images"),
    (ToolResult(views=[View(image(0, 8))]), "an image of 0 x 8 pixels"),
    (ToolResult(images=[image(0, 8)]), "an image of 0 x 8 pixels"),
    (ToolResult(images=[image(0, 0)]), "an image of 0 x 0 pixels"),
    (ToolResult(images=[image(8, 8), image(1, 201)]), "an image of 1 x 201 pixels"),
]


@pytest.mark.parametrize(("result", "message"), WRONG)
def test_what_can_t_be_shown_is_a_failure_of_the_tool(result: Any, message: str) -> None:
    with pytest.raises(ToolFailure) as refused:
        carried_out(Returns(result), STATE, {})
    assert str(refused.value).startswith(f"Returns.run returned {message}")
    assert "return ToolResult(text='...', images=[...])" in str(refused.value)


FINE = [
    ToolResult(),
    ToolResult(text="Nothing there."),
    ToolResult("Two:", [image(), image(200, 1)]),
    ToolResult("Two:", [image()], [View(image(), "The second:", 0, Box(0, 0, 1, 1))], "Look."),
]


@pytest.mark.parametrize("result", FINE)
def test_what_can_be_shown_is_handed_on(result: ToolResult) -> None:
    assert carried_out(Returns(result), STATE, {}) is result


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (ToolError("no"), ToolError),
        (ZeroDivisionError("division by zero"), ToolFailure),
        (ValueError("cannot convert float NaN to integer"), ToolFailure),
        (KeyError("box"), ToolFailure),
        (MemoryError(), ToolFailure),
        (RecursionError("deep"), ToolFailure),
        (RunStopped("stopped by SIGTERM", 143), RunStopped),  # a signal, within the tool
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_which_errors_are_failures(error: BaseException, becomes: type[BaseException]) -> None:
    with pytest.raises(becomes) as raised:
        carried_out(Returns(error), STATE, {})
    if becomes is ToolFailure:
        assert str(raised.value) == f"Returns.run raised {type(error).__name__}: {error}"
