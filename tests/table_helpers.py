"""Tables on the disk, to be read as sources."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features
from PIL import Image

from visionthink_pl.data import Columns, VQADataset, VQAStream
from visionthink_pl.types import VQASample


def png(colour: str, size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, format="PNG")
    return buffer.getvalue()


def stored(colour: str) -> dict[str, Any]:
    """An image as ``datasets`` stores it."""
    return {"bytes": png(colour), "path": None}


def write_jsonl(file: Path, rows: Sequence[dict[str, Any]]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def write_parquet(
    file: Path, rows: Sequence[dict[str, Any]], features: dict[str, Any] | None = None
) -> str:
    Dataset.from_list(list(rows), features=features and Features(features)).to_parquet(file)
    return str(file)


def both(
    path: str,
    columns: Columns = Columns(),  # noqa: B008
    kinds: Sequence[str] = ("vqa",),
    **more: Any,
) -> list[Any]:
    """The rows as a table and as a stream, which must be the same."""
    source = VQADataset(path, columns, **more)
    found = [source[i] for i in range(len(source))]
    streamed = list(VQAStream(path, list(kinds), columns, **more).read(None, 0, None))
    told = [getattr(row, "reason", None) for row in found]
    assert told == [getattr(row, "reason", None) for row, _ in streamed]
    held = [_held(row) for row in found if isinstance(row, VQASample)]
    assert held == [_held(row) for row, _ in streamed if isinstance(row, VQASample)]
    return found


def _held(row: VQASample) -> tuple[Any, ...]:
    return row.id, row.question, row.answer, row.kind, row.extra
