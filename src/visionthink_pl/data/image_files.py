"""Image files that rows name. URLs, base64 and the like are recognised, since otherwise the error
would only be that there is no such file."""

from __future__ import annotations

import re
from pathlib import Path

from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.texts import abbreviated, not_unicode
from visionthink_pl.images import ImageDecodeError, check_file

URL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]+://|(?:file|https?):/)", re.IGNORECASE)
DATA = re.compile(r"\s*data:[^,]*,", re.IGNORECASE)
PYTHON = re.compile(r"""\s*b(?:'|")""")  # as str() writes bytes
# The beginning of JPEG, PNG, GIF, WebP and TIFF in base64, and long texts of base64 letters alone.
SIGNATURE = re.compile(r"\s*(?:/9j/|iVBORw0KGgo|R0lGOD|UklGR|SUkqA|TU0AK)")
LETTERS = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9+/_=\s-]{256,}", re.DOTALL)
STORE = "store the image as bytes, or as a file and its path"


def image_file(name: str, folder: Path, hint: str = "") -> Path:
    """The file that a row names.

    Args:
        name: relative to ``folder``, or absolute.
        folder: that relative paths are relative to.
        hint: which setting names that folder, if any; it is appended to errors.

    Raises:
        BadRow: the name is a URL, base64 text or the like, or the file is missing or can't be
            opened.
    """
    if (why := not_unicode(name)) is not None:
        raise BadRow(f"image can't be encoded: {why}; give the file another name")
    if URL.match(name):
        raise BadRow(
            f"image is a URL: none is fetched; download it and give the file's path, not "
            f"{abbreviated(name)}"
        )
    path = folder / name
    try:
        check_file(path)
    except ImageDecodeError as error:
        hint = "" if Path(name).is_absolute() else hint
        raise BadRow(_image_as_text(name) or f"{error}{hint}") from error
    return path


def _image_as_text(name: str) -> str | None:
    """In which form a text holds an image instead of its path; ``None`` if it does not."""
    if DATA.match(name):
        return f"image is a data URI: none is decoded; {STORE}"
    if PYTHON.match(name):
        return f"image is bytes written as text: {abbreviated(name[:40])}; {STORE}"
    if SIGNATURE.match(name) or LETTERS.fullmatch(name):
        return f"image is base64 text: it is not decoded; {STORE}"
    return None


def text_for_bytes(value: str) -> BadRow:
    """The error for a text instead of an image's bytes."""
    return BadRow(_image_as_text(value) or f"image bytes are text: {abbreviated(value)}; {STORE}")
