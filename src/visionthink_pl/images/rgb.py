"""Pixels of every mode that Pillow has, as RGB on white."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin

DEEPEST = 65535  # white where grey has 16 bits
WHITE_IS_ZERO = 0  # of TIFF
# Bits of a sample, by what Pillow calls the samples of a PNG file.
BITS = {"L;2": 2, "L;4": 4, "L": 8, "RGB": 8, "RGB;16B": 16}


class ImageDecodeError(ValueError):
    """An image that can't be decoded; the message says why."""


def scale_transparent(image: Image.Image) -> None:
    """Give the transparent value of a PNG image in 8 bits, as its pixels are.

    Pillow widens grey of 2 and 4 bits and cuts colours of 16, and leaves this value in the file's
    bits. It has dropped the low bytes of 16-bit colours by then, so that such a colour is taken
    for transparent where its high bytes are. (Grey of 1 bit and of 16 it leaves as it should be.)

    Args:
        image: whose pixels have not been read; what is changed is its ``info``.
    """
    given = image.info.get("transparency")
    if given is None or image.format != "PNG" or not isinstance(image, ImageFile.ImageFile):
        return
    bits = BITS.get(str(image.tile[0].args)) if image.tile else None
    if bits is None:
        return
    if isinstance(given, tuple):
        image.info["transparency"] = tuple(_in_8_bits(value, bits) for value in given)
    else:
        image.info["transparency"] = _in_8_bits(given, bits)


def _in_8_bits(value: int, bits: int) -> int:
    if bits == 16:
        return value >> 8
    most = (1 << bits) - 1
    return (value & most) * (255 // most)  # PNG: bits above those of a sample say nothing


def refuse_32_bits(image: Image.Image) -> None:
    """Refuse greyscale of which nobody knows what is white.

    Raises:
        ImageDecodeError: it has 32 bits.
    """
    if image.mode in ("I", "F") and not _has_16_bits(image):
        raise ImageDecodeError("32-bit greyscale has no fixed white: save it with 8 or 16 bits")


def _has_16_bits(image: Image.Image) -> bool:
    """Pillow holds those of a PGM file in 32."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")


def grey_of_16_bits(image: Image.Image) -> np.ndarray | None:
    """For each value of greyscale with 12 or 16 bits that in 8, by which Pillow would clip at 255;
    ``None`` for other images.

    Args:
        image: as it was opened: copies of it forget what file it is from.
    """
    if not _has_16_bits(image):
        return None
    white, negative = DEEPEST, False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        white = (1 << image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (16,))[0]) - 1
        negative = image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO
    values = np.arange(DEEPEST + 1).clip(max=white)
    grey = (values * 255 + white // 2) // white
    grey = 255 - grey if negative else grey
    if (transparent := image.info.get("transparency")) is not None:
        grey[transparent] = 255
    return grey.astype(np.uint8)


def to_rgb(image: Image.Image, grey: np.ndarray | None) -> Image.Image:
    """The image in RGB, what is transparent on white.

    Args:
        image: in any mode.
        grey: as of ``grey_of_16_bits``.
    """
    if grey is not None:
        return Image.fromarray(grey[np.asarray(image.convert("I"))]).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")
