"""Loading tables of ``datasets`` from the hub, files and folders."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import IterableDataset, load_dataset, load_dataset_builder
from datasets.exceptions import DatasetsError

from visionthink_pl.data.arrow import ArrowStream
from visionthink_pl.data.json_rows import load_json
from visionthink_pl.data.parquet import features_of
from visionthink_pl.types import ConfigError

BUILDERS = {".json": "json", ".jsonl": "json", ".parquet": "parquet"}
READ = "; .parquet, .jsonl and .json are"
UNREAD = (".csv", ".tsv", ".txt", ".xls", ".xlsx")


@dataclass(frozen=True)
class LoadedTable:
    """A loaded table.

    Attributes:
        rows: a ``Dataset``; if streamed, an ``IterableDataset`` or ``ArrowStream``.
        is_json: whether each row is one JSON text.
    """

    rows: Any
    is_json: bool


def load_table(
    path: str, split: str, config: str | None, revision: str | None, streaming: bool, source: str
) -> LoadedTable:
    """Load a table of the hub, of files or of a folder.

    Raises:
        ConfigError: the table can't be loaded. The error begins with ``source``, the class that
            loads it.
    """
    path = os.path.expanduser(path)
    builder = _builder_of_files(path, f"{source}.path")
    if builder is not None and not _is_train(split):
        raise ConfigError(
            f"{source}.split: {path!r} is a file, of which all rows are the split 'train'; set "
            f"split: train, not {split!r} (a value set for another class stays where this one has "
            "an option of the same name)"
        )
    try:
        if builder is None:
            return _of_hub_or_folder(path, split, config, revision, streaming, source)
        if builder == "json":
            return LoadedTable(load_json(path, source, split, streaming), is_json=True)
        files = load_dataset_builder(builder, data_files=path).config.data_files
        features = features_of(files, f"{source}.path")
        named = {"data_files": path, "split": split, "streaming": streaming, "features": features}
        return _of_arrow(load_dataset(builder, **named))
    except ConfigError:
        raise
    except (OSError, ValueError, RecursionError, DatasetsError) as error:
        raise ConfigError(f"{source}.path: can't load {path!r}: {cause_of(error)}") from error


def _builder_of_files(path: str, option: str) -> str | None:
    """The builder of ``datasets`` for a file or a pattern of files; ``None`` for a folder and for a
    data set on the hub.

    Raises:
        ConfigError: the path looks like a file or folder that does not exist, or the file is empty
            or has another format.
    """
    here, ends = Path(path), [end.lower() for end in Path(path).suffixes]
    if (here / "state.json").is_file():
        raise ConfigError(f"{option}: {path!r} was written by save_to_disk; take SavedDataset")
    if here.is_dir():
        return None
    builder = next((BUILDERS[end] for end in ends if end in BUILDERS), None)
    named = bool(builder) or any(end in UNREAD for end in ends)
    local = named or path.startswith((".", "/", "~")) or path.count("/") > 1
    pattern = "://" in path or any(mark in path for mark in "*?[")
    if local and not pattern and not here.exists():
        raise ConfigError(f"{option}: there is no file or folder {path!r}")
    if builder is None and (named or here.is_file()):
        raise ConfigError(f"{option}: {path!r}: a {here.suffix or 'file'} is not read{READ}")
    if here.is_file() and not here.stat().st_size:
        raise ConfigError(f"{option}: {path!r} holds no row")
    return builder


def _is_train(split: str) -> bool:
    """Whether a split is ``train`` or made of ranges of it."""
    return all(one.strip().partition("[")[0] == "train" for one in split.split("+"))


def _of_hub_or_folder(
    path: str, split: str, config: str | None, revision: str | None, streaming: bool, source: str
) -> LoadedTable:
    """Load from the hub or a folder. Without declared types, JSON is decoded here and CSV is
    refused."""
    builder = load_dataset_builder(path, name=config, revision=revision)
    guessed = builder.info.features is None
    if guessed and builder.name == "csv":
        raise ConfigError(
            f"{source}.path: {path!r} holds CSV, which does not say what is text: not read{READ}"
        )
    if guessed and builder.name == "json":
        files = builder.config.data_files
        return LoadedTable(load_json(files, source, split, streaming), is_json=True)
    named = {"name": config, "split": split, "revision": revision, "streaming": streaming}
    if builder.name == "parquet" and Path(path).is_dir():
        features = features_of(builder.config.data_files, f"{source}.path")
        named |= {"features": features} if guessed else {}
    rows = load_dataset(path, **named)
    return _of_arrow(rows) if builder.name == "parquet" else LoadedTable(rows, is_json=False)


def _of_arrow(rows: Any) -> LoadedTable:
    return LoadedTable(
        ArrowStream(rows) if isinstance(rows, IterableDataset) else rows, is_json=False
    )


def cause_of(error: BaseException) -> str:
    """The original error in one line: ``datasets`` wraps most errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    words = " ".join(str(error).split())
    return f"it is not UTF-8: {words}" if isinstance(error, UnicodeDecodeError) else words
