"""Finds and reads the images that are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from visionthink_pl.data.bad_rows import BadRow, bad_row
from visionthink_pl.data.image_files import image_file
from visionthink_pl.images import ImageDecodeError, decode
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

KIND = "asked"


def asked_files(names: Sequence[str]) -> list[Path]:
    """The files that are named, and the images of folders that are named, by name; those of
    folders within them are left out.

    Raises:
        ConfigError: there is no such file, or no image in a folder.
    """
    return [file for name in names for file in (_in(name) if Path(name).is_dir() else [_at(name)])]


def _at(name: str) -> Path:
    try:
        return image_file(name, Path())
    except BadRow as error:
        raise ConfigError(f"images: {error}") from error


def _in(folder: str) -> list[Path]:
    suffixes = Image.registered_extensions()
    found = [file for file in Path(folder).iterdir() if file.suffix.lower() in suffixes]
    if not found:
        raise ConfigError(f"images: there is no image in the folder {folder!r}")
    return sorted(found)


def asked(file: Path, question: str) -> VQASample | UnreadableSample:
    """The question about one image, or why it can't be read."""
    try:
        return VQASample(str(file), question, "", (decode(file),), KIND)
    except ImageDecodeError as error:
        return bad_row(str(file), str(error))
