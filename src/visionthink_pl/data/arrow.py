"""Rows of Arrow tables: images as they are stored, and texts also where they are none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]
from datasets import Features, Image, IterableDataset, LargeList, List


def undecoded(feature: Any) -> Any:
    """The same feature, its images as they are stored."""
    if isinstance(feature, Image):
        return Image(decode=False)
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


def value(scalar: pa.Scalar) -> Any:
    """A value as Python has it.

    A text whose bytes are not UTF-8, which a file may hold, has surrogates for them: the row that
    it stands in is a bad one then, and no other.
    """
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.StringScalar):
        return scalar.as_buffer().to_pybytes().decode("utf-8", "surrogateescape")
    if isinstance(scalar, pa.StructScalar):
        return {name: value(part) for name, part in scalar.items()}
    if isinstance(scalar, pa.ListScalar):
        return [value(one) for one in scalar]
    return scalar.as_py()


def row_of(table: pa.Table, stored: Features | None) -> dict[str, Any]:
    """The row of a table of one.

    Args:
        table: of one row.
        stored: its columns as of ``undecoded``; ``None`` where they are not known.
    """
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

    def state_dict(self) -> dict[str, Any]:
        """Where it stands."""
        return self._rows.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self._rows.load_state_dict(state_dict)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for table in self._rows:
            yield row_of(table, self._stored)
