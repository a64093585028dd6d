"""A visual tool: a name, a JSON schema, and what the model is shown when it calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from PIL import Image


class ToolError(ValueError):
    """A call that can't be carried out; the message is told to the model."""


@dataclass
class ViewState:
    """What one trajectory has been shown so far.

    Attributes:
        high: the sample's images at high resolution, in order.
        high_shown: whether a tool has shown them.
    """

    high: list[Image.Image]
    high_shown: bool = False


@dataclass(frozen=True)
class ToolResult:
    """What the model is given in answer to a call."""

    text: str = ""
    images: list[Image.Image] = field(default_factory=list)


class VisualTool(ABC):
    """Something that the model may call to see more.

    Attributes:
        name: what the model calls it by.
        description: one sentence that tells the model what it does.
        parameters: JSON schema of the arguments; a call that doesn't match it is never run.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    parameters: ClassVar[Mapping[str, Any]]

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

        Raises:
            ToolError: the call makes no sense now; the model is told the message.
        """
