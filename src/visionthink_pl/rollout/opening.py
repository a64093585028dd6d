"""A prompt that is ready to be rolled out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image

from visionthink_pl.families import Message
from visionthink_pl.types import Trajectory, View, VQASample, images_of


class PromptLength(NamedTuple):
    """How many tokens a prompt has.

    Attributes:
        tokens: all tokens.
        visual: visual tokens of the first view among them.
    """

    tokens: int
    visual: int


class Response(NamedTuple):
    """What a model is given behind a turn that called a tool.

    Attributes:
        ids: up to the next generation prompt, image placeholders expanded.
        shown: in the order of the placeholders.
        visual_tokens: how many visual tokens that takes.
    """

    ids: list[int]
    shown: list[View]
    visual_tokens: int


@dataclass
class Opening:
    """A prompt that is ready to be rolled out.

    Attributes:
        sample: what is asked.
        trajectory: the prompt's ids and the first look, no turns yet.
        full: one look at all of the sample, which a tool may show.
        full_look_tokens: visual tokens of that.
        messages: the prompt as messages, from which the template's deltas are rendered.
    """

    sample: VQASample
    trajectory: Trajectory
    full: list[View]
    full_look_tokens: int
    messages: list[Message]

    @property
    def length(self) -> PromptLength:
        """How many tokens the prompt has."""
        return PromptLength(len(self.trajectory.prompt_ids), self.trajectory.first_look_tokens)

    @property
    def high(self) -> list[Image.Image]:
        """The images of ``full``."""
        return images_of(self.full)
