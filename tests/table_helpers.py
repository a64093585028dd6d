"""Tables on the disk, to be read as sources."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features
from PIL import Image


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
