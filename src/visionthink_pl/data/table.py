"""Tables of ``datasets``, wherever they come from, as sources of samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Image, LargeList, List, load_dataset
from datasets.exceptions import DatasetsError

from visionthink_pl.data.cells import label_name, value_of
from visionthink_pl.data.columns import Columns, RowReader
from visionthink_pl.data.source import Source
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

BUILDERS = {".json": "json", ".jsonl": "json", ".parquet": "parquet"}


def load_table(
    path: str, split: str, config: str | None, revision: str | None, streaming: bool, option: str
) -> Any:
    """Load a table of the hub, of files or of a folder.

    Raises:
        ConfigError: it can't be loaded; ``option`` says where the path was set.
    """
    if Path(path, "state.json").is_file():
        raise ConfigError(f"{option}: {path!r} was written by save_to_disk; take SavedDataset")
    builder = next((BUILDERS[end] for end in Path(path).suffixes if end in BUILDERS), None)
    files = {"path": builder, "data_files": path} if builder else {"path": path, "name": config}
    try:
        table = load_dataset(**files, split=split, revision=revision, streaming=streaming)
    except StopIteration as error:  # an empty file
        raise ConfigError(f"{option}: {path!r} holds no row") from error
    except (OSError, ValueError, DatasetsError) as error:
        raise ConfigError(f"{option}: can't load {path!r}: {error}") from error
    return table


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


class TableSource(Source):
    """A table on the disk, read row by row.

    Args:
        rows: at least one.
        columns: which column holds what.
        kind: of rows, where no column holds it.
        image_folder: what relative paths of images are relative to.
    """

    def __init__(self, rows: Dataset, columns: Columns, kind: str, image_folder: str) -> None:
        self._features = Features(undecoded(dict(rows.features)))
        self._rows, self._columns, self._kind = rows, columns, kind
        self._raw = rows.with_format("arrow")  # images stay bytes, lists of images too
        self._reader = RowReader(columns, kind, image_folder, rows.features)
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
        (row,) = self._raw[index].to_pylist()
        return self._reader.read(self._ids[index], self._features.decode_example(row))

    def _column(self, name: str) -> list[Any]:
        """All values of a column or of a field within one."""
        top = name if name in self._rows.column_names else name.split(".")[0]
        return [value_of({top: value}, name) for value in self._rows[top][:]]


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
        rows = load_table(path, split, config, revision, streaming=False, option="VQADataset.path")
        columns.check(rows.features, "VQADataset.columns")
        if not len(rows):
            raise ConfigError(f"VQADataset.path: {path!r} holds no row")
        super().__init__(rows, columns, kind, image_folder)


def unique(names: Sequence[Any]) -> list[str]:
    """Ids as text; where any repeat, as some published ones do, the row's number stands behind
    each."""
    ids = [str(name) for name in names]
    return [f"{name}#{i}" for i, name in enumerate(ids)] if len(set(ids)) < len(ids) else ids
