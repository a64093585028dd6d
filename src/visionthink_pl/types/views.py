"""What is shown: an image, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from PIL import Image

BoxUnit = Literal["pixels", "thousandths", "ratio"]


class Box(NamedTuple):
    """A part of an image, in its pixels; right and bottom are the first ones outside of it."""

    left: int
    top: int
    right: int
    bottom: int


class Region(NamedTuple):
    """A part of one of a sample's images, counted from 0."""

    source: int
    box: Box


@dataclass(frozen=True)
class View:
    """Something that is shown.

    Attributes:
        image: as it is shown, but for what the family's processor does.
        caption: text that stands before it.
        source: which image of the sample it comes from, counted from 0; ``None`` where nobody
            says.
        box: the part of that image, in the original's pixels; ``None`` for the whole.
        seen: width and height in which the vision tower reads it; ``None`` before it is shown.
    """

    image: Image.Image
    caption: str = ""
    source: int | None = None
    box: Box | None = None
    seen: tuple[int, int] | None = None


@dataclass(frozen=True)
class Views:
    """What may be shown of a sample's images.

    Attributes:
        first: what the prompt begins with.
        full: each image as a whole, within the pixel limits.
    """

    first: Sequence[View]
    full: Sequence[View]


def images_of(views: Sequence[View]) -> list[Image.Image]:
    """Their images, in order."""
    return [view.image for view in views]
