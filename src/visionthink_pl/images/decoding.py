"""Decoding of images, once, upright and in RGB; and their sizes by the header alone."""

from __future__ import annotations

import io
import stat
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from visionthink_pl.images.rgb import (
    ImageDecodeError,
    grey_of_16_bits,
    refuse_32_bits,
    scale_transparent,
    to_rgb,
)
from visionthink_pl.images.sizes import Size

MAX_ASPECT_RATIO = 50  # beyond 200 model families refuse an image; halving can quadruple it

PNG_END = b"IEND\xaeB`\x82"
JPEG_END = b"\xff\xd9"
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height

ImageSource = Path | bytes | io.BufferedReader | Image.Image


def decode(source: ImageSource) -> Image.Image:
    """Return the image upright (EXIF orientation applied) and in RGB.

    Transparent pixels are put on white; of an animation the first frame is taken; 16-bit
    greyscale is scaled to 8 bits. Safe to call from several threads.

    Raises:
        ImageDecodeError: the file is missing, can't be read or is not an image, has more pixels
            than Pillow takes for safe (89 million), is EPS, has 32 bits of grey, or one side more
            than 50 times the other.
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
        raise _undecoded(source, error) from error
    _refuse_narrow(Size(*upright.size))
    return upright


def look(source: ImageSource) -> Size:
    """The size that ``decode`` would give, upright, from the header alone.

    Of a JPEG, PNG or WebP file the end is looked at too, since a file that was cut off lacks it.
    Where it does, and in any other format, the image is decoded. What is damaged in the middle is
    not found, nor is an orientation that a PNG tells behind its pixels; which side is the longer
    one is then all that is not known.

    Args:
        source: as of ``decode``; a file is not closed.

    Raises:
        ImageDecodeError: as far as it shows here.
    """
    if isinstance(source, Image.Image):
        return Size(*decode(source).size)
    try:
        if isinstance(source, Path):
            check_file(source)
        with _file(source) as file:
            image = _open(file)
            if not _is_whole(image, file):
                return Size(*decode(image).size)
            refuse_32_bits(image)
            # A PNG's own ``getexif`` decodes all of it, to find what stands behind the pixels.
            orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    except ImageDecodeError:
        raise
    except Exception as error:  # as of ``decode``
        raise _undecoded(source, error) from error
    size = Size(*(reversed(image.size) if orientation in SIDEWAYS else image.size))
    _refuse_narrow(size)
    return size


def _file(source: Path | bytes | io.BufferedReader) -> Any:
    if isinstance(source, Path):
        return source.open("rb")
    return nullcontext(io.BytesIO(source) if isinstance(source, bytes) else source)


def _is_whole(image: Image.Image, file: io.BufferedReader) -> bool:
    """Whether the file ends as one of its format does."""
    if image.format == "WEBP":
        file.seek(4)
        return int.from_bytes(file.read(4), "little") + 8 <= file.seek(0, io.SEEK_END)
    end = {"JPEG": JPEG_END, "MPO": JPEG_END, "PNG": PNG_END}.get(image.format or "")
    if end is None:
        return False
    file.seek(-len(end), io.SEEK_END)
    return file.read() == end


def _refuse_narrow(size: Size) -> None:
    shorter, longer = sorted((size.width, size.height))
    if longer > MAX_ASPECT_RATIO * shorter:
        raise ImageDecodeError(
            f"too narrow: {size.width} x {size.height} pixels, one side more than "
            f"{MAX_ASPECT_RATIO} times the other"
        )


def check_file(path: Path) -> None:
    """Refuse what is no regular file: reading a pipe would block.

    Raises:
        ImageDecodeError: it is missing, another thing than a file, or can't be looked up.
    """
    if "\0" in str(path):
        raise ImageDecodeError(f"image is no path: it has a null character: {str(path)[-100:]!r}")
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageDecodeError(f"image file is missing: {path}") from error
    except OSError as error:
        raise _unread(path, error) from error
    except ValueError as error:  # what can't be encoded
        raise ImageDecodeError(f"image is no path: {error}: {str(path)[-100:]!r}") from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise ImageDecodeError(f"image is no file: {path} is {what}")


def _unread(path: Path, error: OSError) -> ImageDecodeError:
    name = str(path)
    shown = name if len(name) <= 300 else f"{name[:100]}... ({len(name)} characters)"
    return ImageDecodeError(f"image file can't be read: {error.strerror}: {shown}")


def _undecoded(source: ImageSource, error: Exception) -> ImageDecodeError:
    if isinstance(source, Path) and isinstance(error, OSError) and error.errno is not None:
        return _unread(source, error)
    return ImageDecodeError(f"can't decode the image: {error}")


def _open(source: Path | bytes | io.BufferedReader) -> Image.Image:
    """Open an image; only its header is read."""
    most = Image.MAX_IMAGE_PIXELS
    try:
        if isinstance(source, Path):
            check_file(source)
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except UnidentifiedImageError as error:
        raise ImageDecodeError("can't decode the image: not an image") from error
    except Image.DecompressionBombError as error:  # more than twice as many
        raise ImageDecodeError(f"too many pixels: {error} At most {most} are decoded.") from error
    if image.format == "EPS":
        raise ImageDecodeError(
            "EPS is not decoded: Pillow would run Ghostscript on it; store it as PNG"
        )
    if most is not None and image.width * image.height > most:
        raise ImageDecodeError(
            f"too many pixels: {image.width} x {image.height}; at most {most} are decoded"
        )
    return image
