"""What a sample shows and asks, and whether an earlier one does the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import imagehash
from PIL import Image

from visionthink_pl.commands.prepare.record import Row
from visionthink_pl.types import VQASample


def content_digest(sample: VQASample) -> str:
    """SHA-256 over the decoded pixels and the question: equal for copies in other files."""
    digest = hashlib.sha256()
    for image in sample.images:
        digest.update(f"{image.mode} {image.width} {image.height} ".encode())
        digest.update(image.tobytes())
    digest.update(sample.question.encode())
    return digest.hexdigest()


def perceptual_hash(image: Image.Image) -> str:
    """64 bits of an image's coarse structure, as 16 hex digits: what barely differs, barely
    differs here. It sees 32 x 32 pixels of grey."""
    return str(imagehash.phash(image))


class Seen:
    """The samples so far, of which later ones may be duplicates.

    Args:
        near: at most how many bits differ between the hashes of near-identical images;
            ``None`` looks for exact duplicates only.
    """

    def __init__(self, near: int | None) -> None:
        self._near = near
        self._exact: dict[str, str] = {}
        self._hashes: dict[str, list[tuple[int, str]]] = {}

    def like(self, question: str, digest: str, phash: str) -> str | None:
        """The id of the first earlier sample that this one repeats, if there is one."""
        if digest in self._exact or self._near is None:
            return self._exact.get(digest)
        own = int(phash, 16)
        earlier = self._hashes.get(question, [])
        return next((id for bits, id in earlier if (bits ^ own).bit_count() <= self._near), None)

    def add(self, rows: Iterable[Row]) -> None:
        """Keep samples in mind; what is unreadable or a duplicate itself is passed over."""
        for row in rows:
            if row.to_roll_out:
                self._exact[row.digest] = row.id
                hashes = self._hashes.setdefault(row.question, [])
                hashes.append((int(row.phash, 16), row.id))
