"""Tables of ``datasets``, wherever they come from, as sources of samples."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from datasets import Dataset, Features, Image, LargeList, List

from visionthink_pl.data.cells import label_name, value_of
from visionthink_pl.data.columns import Columns, RowReader
from visionthink_pl.data.json_rows import JsonRows
from visionthink_pl.data.load import load_table
from visionthink_pl.data.source import Look, Origin, Source, Stamp, stamp
from visionthink_pl.images import ImageSource, Size, look
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample


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
        (row,) = self._raw[index].to_pylist()
        return self._stored.decode_example(row)

    def lazily(self, index: int) -> dict[str, Any]:
        """The same row, its bytes as files in which nothing has been read yet."""
        table = self._raw[index]
        row = {name: _lazy(table.column(name)[0]) for name in table.column_names}
        return self._stored.decode_example(row)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the table."""
        return tuple(Path(file["filename"]) for file in self._rows.cache_files)

    def column(self, name: str) -> list[Any]:
        """All values of a column."""
        return list(self._rows[name][:])


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


def _lazy(value: pa.Scalar) -> Any:
    """A cell's value, bytes as files: of an image's the first few say enough."""
    if not value.is_valid:
        return None
    if pa.types.is_binary(value.type) or pa.types.is_large_binary(value.type):
        return io.BufferedReader(_File(memoryview(value.as_buffer()).cast("B")))
    if pa.types.is_struct(value.type):
        return {field.name: _lazy(value[field.name]) for field in value.type}
    if pa.types.is_list(value.type) or pa.types.is_large_list(value.type):
        return [_lazy(one) for one in value.values]
    return value.as_py()


class TableSource(Source):
    """A table on the disk, read row by row.

    Args:
        rows: at least one.
        columns: which column holds what.
        kind: of rows, where no column holds it.
        image_folder: what relative paths of images are relative to.
        loaded: how the table was loaded: ``path``, and what else says which rows it has.
    """

    def __init__(
        self,
        rows: ArrowRows | JsonRows,
        columns: Columns,
        kind: str,
        image_folder: str,
        loaded: Mapping[str, Any],
    ) -> None:
        self._rows, self._columns, self._kind = rows, columns, kind
        self._reader = RowReader(columns, kind, image_folder, rows.features)
        self._path = Path(os.path.expanduser(loaded["path"])).absolute()
        images = Path(os.path.expanduser(image_folder)).absolute()
        self._options = {
            **loaded,
            "path": str(self._path),
            "columns": asdict(columns),
            "kind": kind,
            "image_folder": str(images),
        }
        names = None if columns.id is None else self._column(columns.id)
        self._ids = [f"row {i}" for i in range(len(rows))] if names is None else unique(names)

    @property
    def kinds(self) -> tuple[str, ...]:
        if self._columns.kind is None:
            return (self._kind,)
        feature = value_of(self._rows.features, self._columns.kind)
        kinds = [label_name(feature, kind) for kind in self._column(self._columns.kind)]
        return tuple(dict.fromkeys(str(kind) for kind in kinds if kind is not None))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        return self._reader.read(self._ids[index], self._rows[index])

    def look(self, index: int) -> Look:
        files: list[Stamp] = []

        def see(file: ImageSource) -> Size:
            if isinstance(file, Path):
                files.append(stamp(file))
            return look(file)

        row = self._reader.read(self._ids[index], self._rows.lazily(index), see)
        return Look.of(row, files)

    @property
    def origin(self) -> Origin | None:
        """Of a table that is in memory only there is none."""
        if not (files := self._rows.files):
            return None
        return Origin({"source": type(self).__name__, **self._options}, files, self._folder)

    @property
    def _folder(self) -> Path:
        """That of the data, or of the copy that ``datasets`` has made of it."""
        if self._path.is_dir():
            return self._path
        return self._path.parent if self._path.is_file() else self._rows.files[0].parent

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
        ConfigError: it can't be loaded, lacks a column, or has no row.
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
        table = load_table(path, split, config, revision, streaming=False, source="VQADataset")
        if not len(table.rows):
            raise ConfigError(f"VQADataset.path: {path!r} holds no row")
        rows: ArrowRows | JsonRows = ArrowRows(table.rows)
        if table.is_json:
            rows = JsonRows(table.rows, f"VQADataset.path: {path!r}")
        columns.check(rows.features, "VQADataset.columns")
        loaded = {"path": path, "split": split, "config": config, "revision": revision}
        super().__init__(rows, columns, kind, image_folder, loaded)


def unique(names: Sequence[Any]) -> list[str]:
    """Ids as text; where any repeat, as some published ones do, the row's number stands behind
    each."""
    ids = [str(name) for name in names]
    return [f"{name}#{i}" for i, name in enumerate(ids)] if len(set(ids)) < len(ids) else ids
