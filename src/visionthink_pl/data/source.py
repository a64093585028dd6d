"""A data source: samples by their index, or one after another."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from visionthink_pl.images import Size
from visionthink_pl.types import UnreadableSample, VQASample

Position = dict[str, Any]  # in a stream: plain values, stored in checkpoints
Row = VQASample | UnreadableSample
Stamp = tuple[str, int, int]  # of a file: path, size in bytes, modification time in nanoseconds


def stamp(path: str | Path) -> Stamp:
    """The stamp of a file as it is now, with -1 twice if it does not exist."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return str(path), -1, -1
    return str(path), status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Look:
    """What is known of a row before its images are decoded.

    Attributes:
        row: the sample without its images, or a bad row.
        sizes: of its images, upright.
        files: image files, with their stamps from before they were read; images in a table have
            none.
    """

    row: Row
    sizes: tuple[Size, ...] = ()
    files: tuple[Stamp, ...] = ()

    @classmethod
    def of(cls, row: Row, files: Sequence[Stamp] = ()) -> Look:
        """The ``Look`` of a row. Its images need only have a width and a height."""
        if isinstance(row, UnreadableSample):
            return cls(row)
        sizes = tuple(Size(image.width, image.height) for image in row.images)
        return cls(replace(row, images=()), sizes, tuple(files))


@dataclass(frozen=True)
class Origin:
    """Files and options that determine a source's rows: the key of remembered findings.

    Attributes:
        options: everything, apart from files, that determines which rows there are and what they
            hold.
        files: that hold the rows, without image files.
        folder: of the files.
    """

    options: Mapping[str, Any]
    files: tuple[Path, ...]
    folder: Path


class PromptSource(ABC):
    """A data source: a ``Source`` or a ``Stream``."""

    @property
    @abstractmethod
    def kinds(self) -> tuple[str, ...]:
        """Every kind that its samples can have. It is known before the first sample is read, so
        that all ranks reduce the same metrics."""


class Source(PromptSource):
    """A fixed number of samples, each reachable by its index.

    A subclass is a map-style dataset: the same index always gives the same sample. Samples are
    read in several threads.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> VQASample | UnreadableSample: ...

    def look(self, index: int) -> Look:
        """Check a row cheaply; by default the whole row is read."""
        return Look.of(self[index])

    @property
    def origin(self) -> Origin | None:
        """Where the rows come from. ``None``, the default, if it can't be known whether they have
        changed: each run then checks all rows again."""
        return None


class Stream(PromptSource):
    """Samples in sequence, without length or index: for data that does not fit on the disk."""

    @abstractmethod
    def read(
        self, seed: int | None, epoch: int, position: Position | None
    ) -> Iterator[tuple[VQASample | UnreadableSample, Position]]:
        """Iterate over an epoch, or over the rest of it.

        Args:
            seed: of the order, which depends only on it and the epoch; ``None`` keeps the order of
                the data.
            epoch: counted from 0.
            position: after which to continue; ``None`` starts at the beginning.

        Yields:
            Each sample and the position after it.
        """

    def unread(
        self, seed: int | None, epoch: int, position: Position | None
    ) -> Iterator[tuple[Callable[[], Row], Position]]:
        """The same with functions that make the samples, in any thread: every rank iterates over
        all rows, but makes only its share. By default all samples are made during iteration.
        """
        for row, after in self.read(seed, epoch, position):
            yield partial(_same, row), after


def _same(row: Row) -> Row:
    return row
