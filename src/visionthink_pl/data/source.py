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

Place = dict[str, Any]  # where a stream stands: plain values, kept in checkpoints
Row = VQASample | UnreadableSample
Stamp = tuple[str, int, int]  # of a file: path, size in bytes, time of change in nanoseconds


def stamp(path: str | Path) -> Stamp:
    """Of a file as it is now; -1 where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return str(path), -1, -1
    return str(path), status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Look:
    """What a row says before its images are decoded.

    Attributes:
        row: the sample, its images left out, or the bad row that it is.
        sizes: of its images, upright.
        files: that they are read from, as they were before; none of those within a table.
    """

    row: Row
    sizes: tuple[Size, ...] = ()
    files: tuple[Stamp, ...] = ()

    @classmethod
    def of(cls, row: Row, files: Sequence[Stamp] = ()) -> Look:
        """Of a row whose images may be nothing but sizes."""
        if isinstance(row, UnreadableSample):
            return cls(row)
        sizes = tuple(Size(image.width, image.height) for image in row.images)
        return cls(replace(row, images=()), sizes, tuple(files))


@dataclass(frozen=True)
class Origin:
    """Files and options that a source's rows come from: the key of remembered findings.

    Attributes:
        options: all that decides, beside files, which rows there are and what they hold.
        files: of the rows; images in files of their own are not among them.
        folder: that they lie in.
    """

    options: Mapping[str, Any]
    files: tuple[Path, ...]
    folder: Path


class PromptSource(ABC):
    """A data source: a ``Source`` or a ``Stream``."""

    @property
    @abstractmethod
    def kinds(self) -> tuple[str, ...]:
        """Every kind that its samples can have: known before the first sample is read, so that
        all ranks reduce the same metrics."""


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
        """What can be known of a row cheaply; by default it is read whole."""
        return Look.of(self[index])

    @property
    def origin(self) -> Origin | None:
        """Where the rows come from; ``None``, the default, where nobody can tell whether they are
        still what they were: they are looked at anew by each run."""
        return None


class Stream(PromptSource):
    """Samples one after another, without length or index: for data too large for a disk."""

    @abstractmethod
    def read(
        self, seed: int | None, epoch: int, place: Place | None
    ) -> Iterator[tuple[VQASample | UnreadableSample, Place]]:
        """Iterate over an epoch, or what is left of it.

        Args:
            seed: of the order, which depends on nothing but it and the epoch; ``None`` takes the
                samples as they come.
            epoch: counted from 0.
            place: behind which sample to go on; ``None`` begins anew.

        Yields:
            Each sample, and the place behind it.
        """

    def unread(
        self, seed: int | None, epoch: int, place: Place | None
    ) -> Iterator[tuple[Callable[[], Row], Place]]:
        """The same, each sample as a function that makes it, in any thread: every rank passes all
        rows, and makes its share of them. By default they are made as they are passed.
        """
        for row, behind in self.read(seed, epoch, place):
            yield partial(_given, row), behind


def _given(row: Row) -> Row:
    return row
