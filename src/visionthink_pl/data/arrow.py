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
        return {name: undecoded(field) for name, field in feature.items()}
    return feature


def values(array: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of a column as Python objects; texts are read as ``value`` reads them."""
    try:
        return array.to_pylist()
    except UnicodeDecodeError:
        return [value(one) for one in array]


def value(scalar: pa.Scalar, lazily: bool = False) -> Any:
    """A value as a Python object.

    Bytes of a text that are not UTF-8 become surrogates, so that only the row of this text is a bad
    row.

    Args:
        scalar: of Arrow.
        lazily: return bytes as unread files, since the first bytes of an image are often enough.
    """
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.StringScalar):
        return scalar.as_buffer().to_pybytes().decode("utf-8", "surrogateescape")
    if isinstance(scalar, pa.StructScalar):
        return {name: value(field, lazily) for name, field in scalar.items()}
    if isinstance(scalar, pa.ListScalar):
        return [value(one, lazily) for one in scalar]
    if lazily and isinstance(scalar, pa.BinaryScalar):
        return io.BufferedReader(_File(memoryview(scalar.as_buffer()).cast("B")))
    return scalar.as_py()


class _File(io.RawIOBase):
    """Bytes as a file, without copying them: what is not read stays on the disk. (Arrow's own file
    refuses to seek beyond its end, which Pillow does to find the format.)"""

    def __init__(self, content: memoryview) -> None:
        self._content, self._at = content, 0

    def readable(self) -> bool:
        return True

    seekable = readable

    def readinto(self, into: Any) -> int:
        read = self._content[self._at : self._at + len(into)]
        into[: len(read)] = read
        self._at += len(read)
        return len(read)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = (0, self._at, len(self._content))[whence] + offset
        return self._at


def row_of(table: pa.Table, stored: Features | None, lazily: bool = False) -> dict[str, Any]:
    """The only row of a table.

    Args:
        table: of one row.
        stored: features of its columns, as ``undecoded`` returns them; ``None`` if not known.
        lazily: return bytes as files of which nothing has been read yet.
    """
    if lazily:
        row = {name: value(table[name][0], lazily) for name in table.column_names}
    else:
        row = {name: values(table[name])[0] for name in table.column_names}
    return row if stored is None else stored.decode_example(row)


class ArrowStream:
    """A streamed table of Arrow batches, with the methods of ``IterableDataset`` that are used.
    ``IterableDataset`` itself fails on a whole batch if one of its texts is not UTF-8.

    Attributes:
        features: of ``datasets``, by column; ``None`` if not known.
    """

    def __init__(self, rows: IterableDataset) -> None:
        self.features: Mapping[str, Any] | None = rows.features
        self._rows = rows.with_format("arrow")
        self._stored = None if rows.features is None else Features(undecoded(dict(rows.features)))

    def decode(self, enable: Literal[False]) -> ArrowStream:
        """This stream: its images are never decoded."""
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
