"""Pixel limits of the full image, and half sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image

from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import PositiveInt, check_fields


@dataclass(frozen=True)
class Size:
    """Width and height in pixels of an image that is not decoded yet."""

    width: int
    height: int


@dataclass(frozen=True)
class PixelLimits:
    """How large the full image may be, in pixels (width times height).

    Args:
        min_pixels: a smaller image is enlarged to this many pixels. By default what one visual
            token covers (28 x 28; 32 x 32 in Qwen3-VL): enlarging further adds tokens, never
            detail.
        max_pixels: a larger image is shrunk to this many pixels.
    """

    min_pixels: PositiveInt = 28 * 28
    max_pixels: PositiveInt = 1280 * 28 * 28

    def __post_init__(self) -> None:
        check_fields(self, "rollout.limits")
        if self.max_pixels < self.min_pixels:
            raise ConfigError(
                f"rollout.limits.max_pixels: at least min_pixels ({self.min_pixels}), not "
                f"{self.max_pixels}"
            )

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the high-resolution image: the original, scaled to lie within the limits."""
        given = Size(*image.size)
        return image if (size := self.size(given)) == given else _resized(image, size)

    def size(self, given: Size) -> Size:
        """Size of the high-resolution image of an original of size ``given``."""
        pixels = given.width * given.height
        if self.min_pixels <= pixels <= self.max_pixels:
            return given
        shrink = pixels > self.max_pixels
        scale = math.sqrt((self.max_pixels if shrink else self.min_pixels) / pixels)
        rounded = math.floor if shrink else math.ceil
        return Size(*(max(1, rounded(side * scale)) for side in (given.width, given.height)))


def _resized(image: Image.Image, size: Size) -> Image.Image:
    return image.resize((size.width, size.height), Image.Resampling.BICUBIC)


def half_size(size: Size) -> Size:
    """Half the width and half the height, rounded down, at least one pixel."""
    return Size(max(1, size.width // 2), max(1, size.height // 2))


def half(image: Image.Image) -> Image.Image:
    """The image at half its width and height."""
    return _resized(image, half_size(Size(*image.size)))
