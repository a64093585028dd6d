"""Data sets in the published VisionThink format, as ``prepare`` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset, Image, load_from_disk

from visionthink_pl.data.source import Source
from visionthink_pl.images import ImageDecodeError, decode
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

IMAGE_SLOT = "<image>"  # where the image stands in ``problem``
REQUIRED = ("problem", "original_answer", "images", "doc_id", "data_source")


class SavedDataset(Source):
    """A folder written by ``datasets``' ``save_to_disk``, with the columns of the published data.

    The question is ``problem`` without its ``<image>``, the answer ``original_answer``, the kind
    ``data_source``; ``info.use_tool``, where there is an ``info``, says whether the second look
    is needed. Ids that repeat, as some published ones do, get the row's number behind them.

    Args:
        folder: the folder.

    Raises:
        ConfigError: no such folder, columns that are missing, or no rows.
    """

    def __init__(self, folder: str) -> None:
        try:
            rows = load_from_disk(str(Path(folder)))
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
        self._rows = rows.cast_column("images", Image(decode=False))
        ids = [str(name) for name in rows["doc_id"]]
        repeated = len(set(ids)) < len(ids)
        self._ids = [f"{name}#{i}" for i, name in enumerate(ids)] if repeated else ids

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(str, self._rows["data_source"])))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        row = self._rows[index]
        try:
            image = decode(_file(row["images"]))
        except ImageDecodeError as error:
            return UnreadableSample(self._ids[index], str(error))
        return VQASample(
            id=self._ids[index],
            question=row["problem"].replace(IMAGE_SLOT, "").strip(),
            answer=row["original_answer"],
            image=image,
            kind=str(row["data_source"]),
            needs_second_look=(row.get("info") or {}).get("use_tool"),
        )


def _file(image: dict[str, Any] | None) -> bytes | Path:
    """The bytes, or where they are."""
    if image is None or (image["bytes"] is None and image["path"] is None):
        raise ImageDecodeError("the row has no image")
    return Path(image["path"]) if image["bytes"] is None else bytes(image["bytes"])
