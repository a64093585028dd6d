"""The folder ``trajectories``: lines of JSON, and the images that they name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

FOLDER = "trajectories"
LOSSLESS = 256  # pixels of the longer side up to which an image is written as PNG
QUALITY = 90  # of larger ones, as JPEG


class TrajectoryFiles:
    """Appends records and images until the folder is full.

    Args:
        folder: which is made when something is written.
        limit: bytes that it may hold.
        max_side: images are shrunk to at most this many pixels in width and height.
    """

    def __init__(self, folder: Path, limit: int, max_side: int) -> None:
        self.folder, self._limit, self._max_side = folder, limit, max_side
        self._size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

    @property
    def full(self) -> bool:
        """Whether nothing more is written."""
        return self._size >= self._limit

    def image(self, image: Image.Image) -> str:
        """Write an image, once for all that look the same; return its file's name."""
        digest = hashlib.blake2b(
            f"{image.mode} {image.size} ".encode() + image.tobytes(), digest_size=10
        ).hexdigest()
        small = max(image.size) <= LOSSLESS
        name = f"images/{digest}.{'png' if small else 'jpg'}"
        file = self.folder / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            beside = file.with_suffix(".part")
            shrunk = image.copy()
            shrunk.thumbnail((self._max_side, self._max_side))
            shrunk.save(beside, "PNG" if small else "JPEG", quality=QUALITY)
            self._size += beside.stat().st_size
            beside.replace(file)
        return name

    def append(self, stage: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Add lines to the file of a stage."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = b"".join(line_of(record) for record in records)
        with (self.folder / f"{stage}.jsonl").open("ab") as out:
            out.write(lines)
        self._size += len(lines)

    def keep(self, stage: str, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the lines of a stage that a run will write again, and a last line that was cut
        off."""
        file = self.folder / f"{stage}.jsonl"
        if not file.exists():
            return
        beside = file.with_suffix(".part")
        with beside.open("wb") as out:
            out.writelines(line_of(record) for record in read_records(file) if wanted(record))
        self._size += beside.stat().st_size - file.stat().st_size
        beside.replace(file)


def read_records(file: Path) -> Iterator[dict[str, Any]]:
    """The records in a file; a last line that was cut off is left out."""
    with file.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield json.loads(line)


def line_of(record: Mapping[str, Any]) -> bytes:
    """A record as a line of JSON."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate, as JSON escapes it
