"""Tables of ``datasets`` as sources of samples."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datasets import Dataset, Features

from visionthink_pl.data.arrow import row_of, undecoded, values
from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.cells import empty, kind_of, value_of
from visionthink_pl.data.columns import Columns, RowReader
from visionthink_pl.data.declared import declared
from visionthink_pl.data.json_rows import JsonRows
from visionthink_pl.data.loading import load_table
from visionthink_pl.data.source import Look, Origin, Source, Stamp, stamp
from visionthink_pl.data.texts import not_unicode
from visionthink_pl.data.wording import Wording
from visionthink_pl.images import ImageSource, Size, look
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample


class ArrowRows:
    """A table of ``datasets`` on the disk, with images left undecoded.

    Attributes:
        features: by column, as of ``datasets``.
    """

    def __init__(self, rows: Dataset) -> None:
        self.features: Mapping[str, Any] = rows.features
        self._stored = Features(undecoded(dict(rows.features)))
        self._rows, self._raw = rows, rows.with_format("arrow")

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, index: int, columns: list[str], lazily: bool = False) -> dict[str, Any]:
        """Some columns of a row; see ``row_of``."""
        return row_of(self._raw[index].select(columns), self._stored, lazily)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the table."""
        return tuple(Path(file["filename"]) for file in self._rows.cache_files)

    def column(self, name: str) -> list[Any]:
        """All values of a column."""
        return values(self._raw[name][:])


class TableSource(Source):
    """A table on the disk, read row by row.

    Args:
        rows: at least one.
        columns: which column holds what.
        kind: of all rows, if no column holds it.
        image_folder: folder that relative paths of images are relative to.
        loaded: how the table was loaded: ``path``, and other options that determine its rows.
        wording: how rows are worded.
    """

    def __init__(
        self,
        rows: ArrowRows | JsonRows,
        columns: Columns,
        kind: str,
        image_folder: str,
        loaded: Mapping[str, Any],
        wording: Wording = Wording(),  # noqa: B008 (frozen)
    ) -> None:
        self._rows, self._columns, self._kind = rows, columns, kind
        self._reader = RowReader(columns, kind, image_folder, rows.features, wording)
        self._path = Path(os.path.expanduser(loaded["path"])).absolute()
        images = Path(os.path.expanduser(image_folder)).absolute()
        self._options = {
            **loaded,
            "path": str(self._path),
            "columns": asdict(columns),
            "kind": kind,
            "image_folder": str(images),
            "wording": asdict(wording),
        }
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
                continue  # its row is a bad row
        return tuple(kind for kind in found if not_unicode(kind) is None)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        return self._reader.read(self._ids[index], self._rows.read(index, self._reader.used))

    def look(self, index: int) -> Look:
        files: list[Stamp] = []

        def read_size(file: ImageSource) -> Size:
            if isinstance(file, Path):
                files.append(stamp(file))
            return look(file)

        row = self._rows.read(index, self._reader.needed, lazily=True)
        return Look.of(self._reader.read(self._ids[index], row, read_size), files)

    @property
    def origin(self) -> Origin | None:
        """``None`` for a table that is only in memory."""
        if not (files := self._rows.files):
            return None
        return Origin({"source": type(self).__name__, **self._options}, files, self._folder)

    @property
    def _folder(self) -> Path:
        """The folder of the data, or of ``datasets``' copy of them."""
        if self._path.is_dir():
            return self._path
        return self._path.parent if self._path.is_file() else self._rows.files[0].parent

    def _column(self, name: str) -> list[Any]:
        """All values of a column or of a field within one."""
        top = name if name in self._rows.features else name.split(".")[0]
        return [value_of({top: value}, name) for value in self._rows.column(top)]


class VQADataset(TableSource):
    """Any table of questions about images: on the hub, in parquet or JSONL files, or in a folder.
    Columns that ``columns`` does not name become the ``extra`` of samples.

    Args:
        path: id of a data set on the hub; a ``.parquet``, ``.jsonl`` or ``.json`` file, or a
            pattern of several (``shards/*.parquet``); or a folder that ``load_dataset`` can read.
        columns: which column holds what.
        split: of a data set on the hub, also a range such as ``train[:1000]``; all rows of files
            are ``train``.
        config: of a data set on the hub that has several.
        revision: of a data set on the hub.
        image_folder: folder that relative paths of images are relative to.
        kind: of all rows, if ``columns.kind`` names no column.
        wording: how rows are worded, and what is asked.

    Raises:
        ConfigError: the table can't be loaded, lacks a column or has no row, ``kind`` is blank, or
            ``wording`` does not fit the columns.
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
        wording: Wording = Wording(),  # noqa: B008 (frozen)
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
        loaded = {"path": path, "split": split, "config": config, "revision": revision}
        super().__init__(rows, columns, kind, image_folder, loaded, wording)


def unique(names: Sequence[Any]) -> list[str]:
    """Ids as text. A row without an id gets ``row`` and its number. If any ids repeat, as some
    published ones do, the row's number is appended to every id."""
    ids = [f"row {i}" if empty(name) else str(name) for i, name in enumerate(names)]
    return [f"{name}#{i}" for i, name in enumerate(ids)] if len(set(ids)) < len(ids) else ids
