"""A visual tool: a name, a JSON schema, and what the model is shown when it calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, cast

from jsonschema import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from PIL import Image

from visionthink_pl.images import PixelLimits
from visionthink_pl.types import BoxUnit, ConfigError, RunStopped, View, VQASample, images_of

BOX_UNIT = "{box_unit}"  # in a description
BOX_UNITS: dict[BoxUnit, str] = {
    "pixels": "pixels of that image as it is shown",
    "thousandths": "thousandths of that image's width and height",
    "ratio": "shares of that image's width and height, from 0 to 1",
}
LONGEST = 200  # times its other side, that an image may be for the model families


class ToolError(ValueError):
    """A call that can't be carried out; the model reads the message."""


@dataclass(frozen=True)
class ViewState:
    """What a tool is told. Its images are not to be changed: all trajectories of a group share
    them.

    Attributes:
        sample: that is asked about, with the original images. It holds the ground truth, and the
            row's other columns as ``extra``: the model sees of them what a tool returns, and
            nothing else.
        full: one look at all of it: its images within the pixel limits.
        views: what the trajectory has been shown so far, in order, the first look included.
        limits: pixel limits of the full image.
        box_unit: in which the model's family names boxes; ``None`` where nobody says.
        visual_tokens_left: that may still be shown, at most; ``None`` for any number. A result that
            shows more is refused.
    """

    sample: VQASample
    full: Sequence[View]
    views: Sequence[View]
    limits: PixelLimits = PixelLimits()  # noqa: RUF009 (frozen)
    box_unit: BoxUnit | None = None
    visual_tokens_left: int | None = None

    @property
    def high(self) -> list[Image.Image]:
        """The images of ``full``."""
        return images_of(self.full)

    @property
    def high_shown(self) -> bool:
        """Whether all of ``full`` has been shown: each image as a whole, in no fewer pixels."""
        whole = {(view.source, view.image.size) for view in self.views if view.box is None}
        return all((view.source, view.image.size) in whole for view in self.full)


@dataclass(frozen=True)
class ToolResult:
    """The response to a call: a text, views, each behind its caption, and a text behind them.

    Attributes:
        text: stands before the views.
        images: are shown first, as views of which nothing else is known.
        views: are shown behind them. Either are shown as they are, whatever ``rollout.limits``
            says.
        ending: stands behind the views.
    """

    text: str = ""
    images: list[Image.Image] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    ending: str = ""

    @property
    def shown(self) -> list[View]:
        """All that is shown, in order."""
        return [*map(View, self.images), *self.views]


class VisualTool(ABC):
    """A tool that the model may call to see more.

    Attributes:
        name: what the model calls it by.
        description: one sentence that tells the model what it does. The unit of the family's
            boxes takes the place of ``{box_unit}`` in it, in words.
        parameters: JSON schema of the arguments; a call that doesn't match it is never run.
    """

    name: ClassVar[str] = ""  # all three are to be said, these two by each class or its options
    description: str = ""
    parameters: Mapping[str, Any] = {}  # noqa: RUF012 (is not changed)

    @cached_property
    def validator(self) -> Validator:
        """Checks arguments against ``parameters``; raises ``jsonschema.ValidationError``."""
        return validator_for(self.parameters)(self.parameters)

    def signature(self, box_unit: BoxUnit | None = None) -> dict[str, Any]:
        """The tool as the chat convention writes it between ``<tools>`` and ``</tools>``."""
        words = BOX_UNITS[box_unit] if box_unit else BOX_UNIT
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description.replace(BOX_UNIT, words),
                "parameters": self.parameters,
            },
        }

    def offers(self, first: Sequence[int], full: Sequence[int]) -> bool:
        """Whether the tool can add anything to a first look. Where no tool can, none is offered,
        and the sample is shown in full at once. By default: where all of the sample in full has
        more visual tokens than the first look. Sizes alone decide, not pixels, since prompts are
        counted before images are decoded.

        Args:
            first: visual tokens of each view of the first look.
            full: visual tokens of each image within the pixel limits.
        """
        return sum(first) < sum(full)

    def largest(self, state: ViewState) -> ToolResult:
        """The most that a call could show now, for ``plan``: by default all of the sample within
        the pixel limits. Of a view that has a box, other trajectories are taken to be shown another
        part, so that each has visual tokens of its own."""
        return ToolResult(views=list(state.full))

    @abstractmethod
    def run(self, state: ViewState, arguments: Mapping[str, Any]) -> ToolResult:
        """Carry out a call whose arguments match the schema.

        An error of any other kind, and anything returned but a ``ToolResult`` with texts, PIL
        images and views, none empty or with one side more than 200 times the other, is a failure of
        the tool: the model is told that it failed.

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


class ToolFailure(Exception):
    """An error in a tool itself, in words for its author."""


def carried_out(tool: VisualTool, state: ViewState, arguments: Mapping[str, Any]) -> ToolResult:
    """The result of a call whose arguments match the schema.

    Raises:
        ToolError: the tool refuses the call.
        ToolFailure: it raised another error, or returned what can't be shown.
    """
    kind = type(tool).__name__
    try:
        result = tool.run(state, arguments)
    except (ToolError, RunStopped):  # a signal stops a run wherever it is
        raise
    except Exception as error:  # of whatever kind: a call is no reason to end a run
        raise ToolFailure(f"{kind}.run raised {type(error).__name__}: {error}") from error
    if wrong := _what_is_wrong(result):
        raise ToolFailure(
            f"{kind}.run returned {wrong}; return ToolResult(text='...', images=[...]), with a "
            "list of PIL images, or views=[View(...)], or raise ToolError to refuse the call"
        )
    return result


def _what_is_wrong(result: object) -> str | None:
    if not isinstance(result, ToolResult):
        return f"{type(result).__name__}, not a ToolResult"
    for name, value in vars(result).items():
        right = str if name in ("text", "ending") else list
        if not isinstance(value, right):
            return f"a ToolResult whose {name} is {type(value).__name__}, not {right.__name__}"
    for view in cast(list[object], result.views):
        if not isinstance(view, View) or not isinstance(view.caption, str):
            return f"a ToolResult with {type(view).__name__} among its views"
    for image in (view.image for view in result.shown):
        if not isinstance(cast(object, image), Image.Image):
            return f"a ToolResult with {type(image).__name__} among its images"
        if not 0 < max(image.size) <= LONGEST * min(image.size):
            return f"an image of {image.width} x {image.height} pixels, which no model takes"
    return None
