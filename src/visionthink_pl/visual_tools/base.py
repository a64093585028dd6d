"""A visual tool: a name, a JSON schema, and what the model is shown when it calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, cast

from jsonschema import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from PIL import Image

from visionthink_pl.types import ConfigError, RunStopped, VQASample

LONGEST = 200  # times its other side, that an image may be for the model families


class ToolError(ValueError):
    """A call that can't be carried out; the model reads the message."""


@dataclass
class ViewState:
    """What one trajectory has been shown so far.

    Attributes:
        high: the sample's images at high resolution, in order; not to be changed, since all
            trajectories of a group share them.
        sample: that is asked about. It holds the ground truth, and the row's other columns as
            ``extra``: the model sees of them what a tool returns, and nothing else.
        high_shown: whether a tool has shown the images at high resolution.
    """

    high: list[Image.Image]
    sample: VQASample
    high_shown: bool = False


@dataclass(frozen=True)
class ToolResult:
    """The response to a call.

    Attributes:
        text: stands before the images.
        images: shown as they are, whatever ``rollout.limits`` says.
    """

    text: str = ""
    images: list[Image.Image] = field(default_factory=list)


class VisualTool(ABC):
    """A tool that the model may call to see more.

    Attributes:
        name: what the model calls it by.
        description: one sentence that tells the model what it does.
        parameters: JSON schema of the arguments; a call that doesn't match it is never run.
    """

    name: ClassVar[str] = ""  # all three are to be said by each class
    description: ClassVar[str] = ""
    parameters: ClassVar[Mapping[str, Any]] = {}

    @cached_property
    def validator(self) -> Validator:
        """Checks arguments against ``parameters``; raises ``jsonschema.ValidationError``."""
        return validator_for(self.parameters)(self.parameters)

    @property
    def signature(self) -> dict[str, Any]:
        """The tool as the chat convention writes it between ``<tools>`` and ``</tools>``."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": self.parameters,
            },
        }

    @abstractmethod
    def run(self, state: ViewState, arguments: Mapping[str, Any]) -> ToolResult:
        """Carry out a call whose arguments match the schema, and note it in ``state``.

        Anything returned but a ``ToolResult`` with a text and a list of PIL images, none empty
        or with one side more than 200 times the other, stops the run.

        Raises:
            ToolError: the call makes no sense now; the model is told the message.
        """


def check_tool(tool: VisualTool) -> None:
    """Refuse a tool that lacks a name, a description or a valid schema.

    Raises:
        ConfigError: it does not.
    """
    kind = type(tool).__name__
    for what, said in (
        ("name", tool.name),
        ("description", tool.description),
        ("parameters", tool.parameters),
    ):
        if not said:
            raise ConfigError(
                f"rollout.tools: {kind} has no {what}; write {what} = ... in the class: the prompt "
                "tells the model a tool's name, description and parameters"
            )
    try:
        validator_for(tool.parameters).check_schema(dict(tool.parameters))
    except SchemaError as error:
        raise ConfigError(
            f"rollout.tools: {kind}.parameters is no JSON schema: {error.message}"
        ) from error


def checked(tool: VisualTool, result: object) -> ToolResult:
    """Return the result of a tool if it is valid.

    Raises:
        RunStopped: it can't, which is an error in the tool and not in the call.
    """
    if wrong := _what_is_wrong(result):
        raise RunStopped(
            f"{type(tool).__name__}.run returned {wrong}; return ToolResult(text='...', "
            "images=[...]), with a list of PIL images, or raise ToolError to refuse the call"
        )
    assert isinstance(result, ToolResult)
    return result


def _what_is_wrong(result: object) -> str | None:
    if not isinstance(result, ToolResult):
        return f"{type(result).__name__}, not a ToolResult"
    text, images = cast(object, result.text), cast(object, result.images)
    if not isinstance(text, str) or not isinstance(images, list):
        kinds = f"text is {type(text).__name__} and images is {type(images).__name__}"
        return f"a ToolResult whose {kinds}"
    for image in images:
        if not isinstance(image, Image.Image):
            return f"a ToolResult with {type(image).__name__} among its images"
        if not 0 < max(image.size) <= LONGEST * min(image.size):
            return f"an image of {image.width} x {image.height} pixels, which no model takes"
    return None
