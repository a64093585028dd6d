"""Data sets in the published VisionThink format, as ``prepare`` writes them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import Dataset, load_from_disk
from huggingface_hub import snapshot_download

from visionthink_pl.data.bad_rows import BadRow, bad_row
from visionthink_pl.data.columns import Columns
from visionthink_pl.data.table import ArrowRows, TableSource
from visionthink_pl.data.texts import abbreviated
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

PUBLISHED = Columns(
    question="problem",
    images="images",
    answer="original_answer",
    id="doc_id",
    kind="data_source",
    needs_second_look="info.use_tool",
)
ANSWERS = "answers"  # all answers of a row; the published data have no such column
EVIDENCE = "evidence"  # boxes that ``prepare`` wrote
PREPARED = "extra_columns"  # of rows that ``prepare`` wrote: their ``extra`` as a JSON object
REQUIRED = ("problem", "original_answer", "images", "doc_id", "data_source")


class SavedDataset(TableSource):
    """A folder written by ``datasets``' ``save_to_disk``, with the columns of the published data.

    The question is ``problem`` without its ``<image>``, the answer ``original_answer``, or each of
    ``answers`` if there is such a column, and the kind ``data_source``. ``info.use_tool`` says
    whether the second look is needed, if there is a column ``info``. If ids repeat, as some
    published ones do, the row's number is appended. Other columns become the ``extra`` of samples.
    So do the entries of the JSON objects in ``extra_columns``, a column that ``prepare`` writes;
    beside it ``evidence`` has boxes.

    Args:
        folder: a folder, or the id of such a data set on the hub, such as
            ``Senqiao/VisionThink-Smart-Train``.
        revision: of the data set on the hub.

    Raises:
        ConfigError: there is no such folder, a column is missing, or there are no rows.
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
        if PREPARED in rows.column_names and EVIDENCE in rows.column_names:
            columns = replace(columns, evidence=EVIDENCE)
        columns.refuse_json(rows.features, "SavedDataset.folder")
        super().__init__(ArrowRows(rows), columns, "", ".", {"path": path})

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        row = super().__getitem__(index)
        if not isinstance(row, VQASample) or PREPARED not in row.extra:
            return row
        others = {name: value for name, value in row.extra.items() if name != PREPARED}
        try:
            return replace(row, extra=others | _prepared(row.extra[PREPARED]))
        except BadRow as error:
            return bad_row(row.id, str(error))


def _prepared(cell: Any) -> dict[str, Any]:
    """The columns that ``prepare`` wrote; none for null, as in rows of a data set joined to it.

    Raises:
        BadRow: the cell holds no JSON object.
    """
    try:
        found = {} if cell is None else json.loads(cell)
    except (TypeError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadRow(f"{PREPARED} is no JSON object: {abbreviated(cell)}")
    return found


def _download(name: str, revision: str | None) -> str:
    """The folder of a data set on the hub, downloaded once."""
    try:
        return snapshot_download(name, repo_type="dataset", revision=revision)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"SavedDataset.folder: can't load {name!r}: there is no such folder, and it can't be "
            f"had from the hub: {error}"
        ) from error
