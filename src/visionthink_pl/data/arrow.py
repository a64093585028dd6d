"""Rows of Arrow tables, with images and other media left undecoded."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]
from datasets import (
    Audio,
    BioSequence,
    BioStructure,
    Features,
    Image,
    IterableDataset,
    LargeList,
    List,
    Mesh,
    Nifti,
    Pdf,
    Video,
)

MEDIA = (Audio, BioSequence, BioStructure, Image, Mesh, Nifti, Pdf, Video)


def undecoded(feature: Any) -> Any:
    """The feature with ``decode=False`` for its images and other media, which may take a package
    that is not there."""
    if isinstance(feature, MEDIA):
        return replace(feature, decode=False)
    if isinstance(feature, List):
        return List(undecoded(feature.feature), length=feature.length)
    if isinstance(feature, LargeList):
        return LargeList(undecoded(feature.feature))
    if isinstance(feature, dict):
        return {name: undecoded(part) for name, part in feature.items()}
    return feature


def values(array: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of a column as Python has them; texts as of ``value``."""
    try:
        return array.to_pylist()
    except UnicodeDecodeError:
        return [value(one) for one in array]


def value(scalar: pa.Scalar, lazily: bool = False) -> Any:
    """A value as Python has it; asked for ``lazily``, bytes are files, since the first few of an
    image's say enough.

    A text whose bytes are not UTF-8, which a file may hold, has surrogates for them: the row that
    it stands in is a bad one then, and no other.
    """
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.StringScalar):
        return scalar.as_buffer().to_pybytes().decode("utf-8", "surrogateescape")
    if isinstance(scalar, pa.StructScalar):
        return {name: value(part, lazily) for name, part in scalar.items()}
    if isinstance(scalar, pa.ListScalar):
        return [value(one, lazily) for one in scalar]
    if lazily and isinstance(scalar, pa.BinaryScalar):
        return io.BufferedReader(_File(memoryview(scalar.as_buffer()).cast("B")))
    return scalar.as_py()


class _File(io.RawIOBase):
    """Bytes as a file, without a copy of them: what is not read stays on the disk. (Arrow's own
    refuses to seek beyond its end, which Pillow does as it looks for the format.)"""

    def __init__(self, content: memoryview) -> None:
        self._content, self._at = content, 0

    def readable(self) -> bool:
        return True

    seekable = readable

    def readinto(self, into: Any) -> int:
        part = self._content[self._at : self._at + len(into)]
        into[: len(part)] = part
        self._at += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = (0, self._at, len(self._content))[whence] + offset
        return self._at


def row_of(table: pa.Table, stored: Features | None, lazily: bool = False) -> dict[str, Any]:
    """The row of a table of one.

    Args:
        table: of one row.
        stored: its columns as of ``undecoded``; ``None`` where they are not known.
        lazily: bytes as files in which nothing has been read yet.
    """
    if lazily:
        row = {name: value(table[name][0], lazily) for name in table.column_names}
    else:
        row = {name: values(table[name])[0] for name in table.column_names}
    return row if stored is None else stored.decode_example(row)


class ArrowStream:
    """A streamed table of Arrow batches, with the methods of ``IterableDataset`` that are used. By
    itself that fails on a whole batch where one text of it is none.

    Attributes:
        features: by column, as of ``datasets``, where they are known.
    """

    def __init__(self, rows: IterableDataset) -> None:
        self.features: Mapping[str, Any] | None = rows.features
        self._rows = rows.with_format("arrow")
        self._stored = None if rows.features is None else Features(undecoded(dict(rows.features)))

    def decode(self, enable: Literal[False]) -> ArrowStream:
        """The same, since images are as they are stored."""
        return self

    def select_columns(self, column_names: list[str]) -> ArrowStream:
        """The stream with these columns only."""
        return ArrowStream(self._rows.select_columns(column_names))

    def state_dict(self) -> dict[str, Any]:
        """The position in the stream."""
        return self._rows.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume at a position."""
        self._rows.load_state_dict(state_dict)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for table in self._rows:
            yield row_of(table, self._stored)
