"""Images: decoded once, upright and RGB; then limited; then halved for the first look."""

from __future__ import annotations

import io
import math
import stat
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from visionthink_pl.rgb import (
    ImageDecodeError,
    grey_of_16_bits,
    refuse_32_bits,
    scale_transparent,
    to_rgb,
)
from visionthink_pl.types import ConfigError, VQASample

__all__ = ["FirstView", "FullView", "HalfView", "ImageDecodeError", "PixelLimits", "decode", "half"]

MAX_ASPECT_RATIO = 50  # beyond 200 model families refuse an image; halving can quadruple it


def decode(source: Path | bytes | Image.Image) -> Image.Image:
    """Return the image upright (EXIF orientation applied) and in RGB.

    Transparent pixels are put on white; of an animation the first frame is taken; 16-bit
    greyscale is scaled to 8 bits. Safe to call from several threads.

    Raises:
        ImageDecodeError: the file is missing, can't be read or is not an image, has more pixels
            than Pillow takes for safe (89 million), has 32 bits of grey, or one side more than 50
            times the other.
    """
    try:
        image = source if isinstance(source, Image.Image) else _open(source)
        refuse_32_bits(image)
        scale_transparent(image)
        grey = grey_of_16_bits(image)
        image.load()
        upright = to_rgb(ImageOps.exif_transpose(image), grey)
    except ImageDecodeError:
        raise
    except Exception as error:  # a decoder fed with garbage may raise anything
        if isinstance(source, Path) and isinstance(error, OSError) and error.errno is not None:
            raise _unread(source, error) from error
        raise ImageDecodeError(f"can't decode the image: {error}") from error
    if max(upright.size) > MAX_ASPECT_RATIO * min(upright.size):
        raise ImageDecodeError(
            f"too narrow: {upright.width} x {upright.height} pixels, one side more than "
            f"{MAX_ASPECT_RATIO} times the other"
        )
    return upright


def check_file(path: Path) -> None:
    """Refuse what is no file that could be read; a pipe would be waited for.

    Raises:
        ImageDecodeError: it is missing, another thing than a file, or can't be looked up.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageDecodeError(f"image file is missing: {path}") from error
    except OSError as error:
        raise _unread(path, error) from error
    except ValueError as error:  # a null character, or what can't be encoded
        raise ImageDecodeError(f"image is no path: {error}: {str(path)[-100:]!r}") from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise ImageDecodeError(f"image is no file: {path} is {what}")


def _unread(path: Path, error: OSError) -> ImageDecodeError:
    name = str(path)
    shown = name if len(name) <= 300 else f"{name[:100]}... ({len(name)} characters)"
    return ImageDecodeError(f"image file can't be read: {error.strerror}: {shown}")


def _open(source: Path | bytes) -> Image.Image:
    """The image, of which only the header has been read."""
    most = Image.MAX_IMAGE_PIXELS
    try:
        if isinstance(source, Path):
            check_file(source)
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except UnidentifiedImageError as error:
        raise ImageDecodeError("can't decode the image: not an image") from error
    except Image.DecompressionBombError as error:  # more than twice as many
        raise ImageDecodeError(f"too many pixels: {error} At most {most} are decoded.") from error
    if most is not None and image.width * image.height > most:
        raise ImageDecodeError(
            f"too many pixels: {image.width} x {image.height}; at most {most} are decoded"
        )
    return image


@dataclass(frozen=True)
class PixelLimits:
    """How large the full image may be, in pixels (width times height).

    Args:
        min_pixels: a smaller image is enlarged to this many pixels. By default what one visual
            token covers (28 x 28; 32 x 32 in Qwen3-VL): enlarging further adds tokens, never
            detail.
        max_pixels: a larger image is shrunk to this many pixels.
    """

    min_pixels: int = 28 * 28
    max_pixels: int = 1280 * 28 * 28

    def __post_init__(self) -> None:
        if self.min_pixels < 1:
            raise ConfigError(f"rollout.limits.min_pixels: at least 1, not {self.min_pixels}")
        if self.max_pixels < self.min_pixels:
            raise ConfigError(
                f"rollout.limits.max_pixels: at least min_pixels ({self.min_pixels}), not "
                f"{self.max_pixels}"
            )

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the high-resolution image: the original, scaled to lie within the limits."""
        pixels = image.width * image.height
        if self.min_pixels <= pixels <= self.max_pixels:
            return image
        shrink = pixels > self.max_pixels
        scale = math.sqrt((self.max_pixels if shrink else self.min_pixels) / pixels)
        rounded = math.floor if shrink else math.ceil
        width, height = (max(1, rounded(side * scale)) for side in image.size)
        return image.resize((width, height), Image.Resampling.BICUBIC)


def half(image: Image.Image) -> Image.Image:
    """Half the width and half the height, rounded down, at least one pixel."""
    width, height = (max(1, side // 2) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


class FirstView(ABC):
    """What the model is shown first of each image, made from it at high resolution."""

    @abstractmethod
    def first(self, high: Image.Image, sample: VQASample) -> Image.Image:
        """Return the first view.

        Args:
            high: an image of the sample within the pixel limits.
            sample: what it belongs to.
        """


class HalfView(FirstView):
    """Half the width and half the height: a quarter of the pixels (paper, Sec. 3.2)."""

    def first(self, high: Image.Image, sample: VQASample) -> Image.Image:
        return half(high)


class FullView(FirstView):
    """The whole image at once: the paper's General recipe. No second look is offered."""

    def first(self, high: Image.Image, sample: VQASample) -> Image.Image:
        return high
