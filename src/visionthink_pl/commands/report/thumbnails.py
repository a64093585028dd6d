"""Images as small data URLs."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

SIDES = (384, 256, 192, 128, 96, 64, 32)  # pixels of the longer side
QUALITY = 80
TRIED = 24  # images of which the size of all is estimated
MIME = {"JPEG": "image/jpeg", "PNG": "image/png"}


@dataclass(frozen=True)
class Thumbnails:
    """Images, shrunk.

    Attributes:
        urls: data URLs, by the names that were asked for; what can't be read is not there.
        side: most pixels in width and height; ``None`` where no size was small enough.
    """

    urls: dict[str, str]
    side: int | None


def thumbnails(folder: Path, names: Sequence[str], budget: int) -> Thumbnails:
    """Shrink images, to the largest of ``SIDES`` with which all fit into the budget.

    Args:
        folder: that the names are in.
        names: of files, each once.
        budget: characters of all data URLs together.
    """
    tried = names[:: max(len(names) // TRIED, 1)]
    for side in SIDES:
        expected = sum(len(url) for url in _urls(folder, tried, side).values())
        if expected * len(names) <= budget * max(len(tried), 1):
            urls = _urls(folder, names, side)
            if sum(map(len, urls.values())) <= budget:
                return Thumbnails(urls, side)
    return Thumbnails({}, None)


def _urls(folder: Path, names: Sequence[str], side: int) -> dict[str, str]:
    urls = {name: _url(folder / name, side) for name in names}
    return {name: url for name, url in urls.items() if url is not None}


def _url(file: Path, side: int) -> str | None:
    try:
        content, kind = _shrunk(file, side)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    return f"data:{MIME[kind]};base64,{b64encode(content).decode()}"


def _shrunk(file: Path, side: int) -> tuple[bytes, str]:
    """Bytes and format. The file's own bytes are kept where they need no shrinking and take little
    more: in drawings of few pixels JPEG's noise would show."""
    with Image.open(file) as image:
        fits, kind = max(image.size) <= side, str(image.format)
        image.draft("RGB", (side, side))
        small = image.convert("RGB")
    small.thumbnail((side, side))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=QUALITY)
    if fits and kind in MIME and file.stat().st_size <= 2 * out.tell():
        return file.read_bytes(), kind
    return out.getvalue(), "JPEG"
