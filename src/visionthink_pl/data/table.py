"""Tables of ``datasets``, wherever they come from, as sources of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset, Features

from visionthink_pl.data.arrow import row_of, undecoded, values
from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.cells import declared, empty, kind_of, value_of
from visionthink_pl.data.columns import Columns, RowReader
from visionthink_pl.data.json_rows import JsonRows
from visionthink_pl.data.load import load_table
from visionthink_pl.data.source import Source
from visionthink_pl.data.texts import not_unicode
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample


class ArrowRows:
    """A table of ``datasets`` on the disk, its images as they are stored, lists of images too.

    Attributes:
        features: by column, as of ``datasets``.
    """

    def __init__(self, rows: Dataset) -> None:
        self.features: Mapping[str, Any] = rows.features
        self._stored = Features(undecoded(dict(rows.features)))
        self._rows, self._raw = rows, rows.with_format("arrow")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return row_of(self._raw[index], self._stored)

    def column(self, name: str) -> list[Any]:
        """All values of a column."""
        return values(self._raw[name][:])


class TableSource(Source):
    """A table on the disk, read row by row.

    Args:
        rows: at least one.
        columns: which column holds what.
        kind: of rows, where no column holds it.
        image_folder: what relative paths of images are relative to.
    """

    def __init__(
        self, rows: ArrowRows | JsonRows, columns: Columns, kind: str, image_folder: str
    ) -> None:
        self._rows, self._columns, self._kind = rows, columns, kind
        self._reader = RowReader(columns, kind, image_folder, rows.features)
        names = None if columns.id is None else self._column(columns.id)
        self._ids = [f"row {i}" for i in range(len(rows))] if names is None else unique(names)

    @property
    def kinds(self) -> tuple[str, ...]:
        if self._columns.kind is None:
            return (self._kind,)
        feature = value_of(self._rows.features, self._columns.kind)
        found: dict[str, None] = {}
        for value in self._column(self._columns.kind):
            try:
                found[kind_of(declared(feature, value))] = None
            except BadRow:
                continue  # so is its row
        return tuple(kind for kind in found if not_unicode(kind) is None)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        return self._reader.read(self._ids[index], self._rows[index])

    def _column(self, name: str) -> list[Any]:
        """All values of a column or of a field within one."""
        top = name if name in self._rows.features else name.split(".")[0]
        return [value_of({top: value}, name) for value in self._rows.column(top)]


class VQADataset(TableSource):
    """Any table of questions about images: of the hub, a parquet or a JSONL file, or a folder.

    Args:
        path: id of a data set on the hub; a ``.parquet``, ``.jsonl`` or ``.json`` file, or a
            pattern of several (``shards/*.parquet``); or a folder as ``load_dataset`` reads it.
        columns: which column holds what.
        split: of a data set on the hub, also a part such as ``train[:1000]``; files are ``train``.
        config: of a data set on the hub that has several.
        revision: of a data set on the hub.
        image_folder: what relative paths of images are relative to.
        kind: of all rows, where ``columns.kind`` names no column.

    Raises:
        ConfigError: it can't be loaded, lacks a column, has no row, or ``kind`` is blank.
    """

    def __init__(
        self,
        path: str,
        columns: Columns = Columns(),  # noqa: B008 (frozen)
        split: str = "train",
        config: str | None = None,
        revision: str | None = None,
        image_folder: str = ".",
        kind: str = "vqa",
    ) -> None:
        if columns.kind is None and (not kind.strip() or not_unicode(kind)):
            raise ConfigError(f"VQADataset.kind: a text that is not blank, not {kind!r}")
        table = load_table(path, split, config, revision, streaming=False, source="VQADataset")
        if not len(table.rows):
            raise ConfigError(f"VQADataset.path: {path!r} holds no row")
        rows: ArrowRows | JsonRows = ArrowRows(table.rows)
        if table.is_json:
            rows = JsonRows(table.rows, f"VQADataset.path: {path!r}")
        columns.check(rows.features, "VQADataset.columns")
        super().__init__(rows, columns, kind, image_folder)


def unique(names: Sequence[Any]) -> list[str]:
    """Ids as text, of a row without one its number; where any repeat, as some published ones do,
    the row's number stands behind each."""
    ids = [f"row {i}" if empty(name) else str(name) for i, name in enumerate(names)]
    return [f"{name}#{i}" for i, name in enumerate(ids)] if len(set(ids)) < len(ids) else ids
