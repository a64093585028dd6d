"""Data sets in the published VisionThink format, as ``prepare`` writes them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from datasets import Dataset, load_from_disk
from huggingface_hub import snapshot_download

from visionthink_pl.data.columns import Columns
from visionthink_pl.data.table import ArrowRows, TableSource
from visionthink_pl.types import ConfigError

PUBLISHED = Columns(
    question="problem",
    images="images",
    answer="original_answer",
    id="doc_id",
    kind="data_source",
    needs_second_look="info.use_tool",
)
ANSWERS = "answers"  # all of a row's, which the published data do not have
REQUIRED = ("problem", "original_answer", "images", "doc_id", "data_source")


class SavedDataset(TableSource):
    """A folder written by ``datasets``' ``save_to_disk``, with the columns of the published data.

    The question is ``problem`` without its ``<image>``, the answer ``original_answer``, or each of
    ``answers`` where there is such a column, and the kind ``data_source``; ``info.use_tool``, where
    there is an ``info``, says whether the second look is needed. Ids that repeat, as some published
    ones do, get the row's number behind them.

    Args:
        folder: the folder, or the id of a data set on the hub that is one, such as
            ``Senqiao/VisionThink-Smart-Train``.
        revision: of the data set on the hub.

    Raises:
        ConfigError: no such folder, columns that are missing, or no rows.
    """

    def __init__(self, folder: str, revision: str | None = None) -> None:
        folder = os.path.expanduser(folder)
        path = folder if Path(folder).is_dir() else _download(folder, revision)
        try:
            rows = load_from_disk(path)
        except (FileNotFoundError, ValueError) as error:
            raise ConfigError(f"SavedDataset.folder: can't load {folder!r}: {error}") from error
        if not isinstance(rows, Dataset):
            raise ConfigError(
                f"SavedDataset.folder: {folder!r} holds the splits {', '.join(rows)}; name the "
                "folder of one"
            )
        if missing := [name for name in REQUIRED if name not in rows.column_names]:
            raise ConfigError(f"SavedDataset.folder: {folder!r} has no column {missing[0]!r}")
        if not len(rows):
            raise ConfigError(f"SavedDataset.folder: {folder!r} holds no row")
        several = ANSWERS in rows.column_names
        columns = replace(PUBLISHED, answer=ANSWERS) if several else PUBLISHED
        columns.refuse_json(rows.features, "SavedDataset.folder")
        super().__init__(ArrowRows(rows), columns, "", ".", {"path": path})


def _download(name: str, revision: str | None) -> str:
    """The folder of a data set on the hub, downloaded once."""
    try:
        return snapshot_download(name, repo_type="dataset", revision=revision)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"SavedDataset.folder: can't load {name!r}: there is no such folder, and it can't be "
            f"had from the hub: {error}"
        ) from error
