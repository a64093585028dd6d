"""Where an image lies, by what a row says of it: a file. What else a text may be is told apart,
since to open it would only say that there is no such file."""

from __future__ import annotations

import re
from pathlib import Path

from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.texts import not_unicode, shown
from visionthink_pl.images import ImageDecodeError, check_file

URL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]+://|(?:file|https?):/)", re.IGNORECASE)
DATA = re.compile(r"\s*data:[^,]*,", re.IGNORECASE)
PYTHON = re.compile(r"""\s*b(?:'|")""")  # as str() writes bytes
# How base64 of JPEG, PNG, GIF, WebP and TIFF begins, and any text of its letters alone.
SIGNATURE = re.compile(r"\s*(?:/9j/|iVBORw0KGgo|R0lGOD|UklGR|SUkqA|TU0AK)")
LETTERS = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9+/_=\s-]{256,}", re.DOTALL)
STORE = "store the image as bytes, or as a file and its path"


def image_file(name: str, folder: Path, hint: str = "") -> Path:
    """The file that a row names.

    Args:
        name: relative to ``folder``, or absolute.
        folder: where relative ones are looked up.
        hint: which setting names that folder, where one does.

    Raises:
        BadRow: it is a URL, base64 text or the like, or there is no such file, or it can't be
            opened.
    """
    if (why := not_unicode(name)) is not None:
        raise BadRow(f"image can't be encoded: {why}; give the file another name")
    if URL.match(name):
        raise BadRow(
            f"image is a URL: none is fetched; download it and give the file's path, not "
            f"{shown(name)}"
        )
    path = folder / name
    try:
        check_file(path)
    except ImageDecodeError as error:
        hint = "" if Path(name).is_absolute() else hint
        raise BadRow(_written_out(name) or f"{error}{hint}") from error
    return path


def _written_out(name: str) -> str | None:
    """What a text is that holds an image instead of its path."""
    if DATA.match(name):
        return f"image is a data URI: none is decoded; {STORE}"
    if PYTHON.match(name):
        return f"image is bytes written as text: {shown(name[:40])}; {STORE}"
    if SIGNATURE.match(name) or LETTERS.fullmatch(name):
        return f"image is base64 text: it is not decoded; {STORE}"
    return None


def not_text(value: str) -> BadRow:
    """The bad row where a text stands for bytes."""
    return BadRow(_written_out(value) or f"image bytes are text: {shown(value)}; {STORE}")
