"""Finds samples with the image and question of an earlier one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import imagehash
from PIL import Image

from visionthink_pl.commands.prepare.record import Row
from visionthink_pl.types import VQASample


def content_digest(sample: VQASample) -> str:
    """SHA-256 of decoded pixels and question: the same for copies in other files or formats."""
    digest = hashlib.sha256()
    for image in sample.images:
        digest.update(f"{image.mode} {image.width} {image.height} ".encode())
        digest.update(image.tobytes())
    digest.update(sample.question.encode())
    return digest.hexdigest()


def perceptual_hash(image: Image.Image) -> str:
    """The 64-bit pHash of an image, as 16 hex digits: similar images differ in few bits. It is
    computed on 32 x 32 pixels of grey."""
    return str(imagehash.phash(image))


class Seen:
    """The samples so far, to find duplicates among later ones.

    Args:
        near: most bits in which hashes of near-duplicates differ; ``None`` finds exact
            duplicates only.
    """

    def __init__(self, near: int | None) -> None:
        self._near = near
        self._exact: dict[str, str] = {}
        self._hashes: dict[str, list[tuple[int, str]]] = {}

    def like(self, question: str, digest: str, phash: str) -> str | None:
        """The id of the first earlier sample that this one duplicates, if any."""
        if digest in self._exact or self._near is None:
            return self._exact.get(digest)
        own = int(phash, 16)
        earlier = self._hashes.get(question, [])
        return next((id for bits, id in earlier if (bits ^ own).bit_count() <= self._near), None)

    def add(self, rows: Iterable[Row]) -> None:
        """Add samples; unreadable ones and duplicates are skipped."""
        for row in rows:
            if row.to_roll_out:
                self._exact[row.digest] = row.id
                hashes = self._hashes.setdefault(row.question, [])
                hashes.append((int(row.phash, 16), row.id))
