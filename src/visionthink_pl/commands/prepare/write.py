"""Writes the data set, with the columns of the published one."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Image, List, Value
from datasets.arrow_writer import ArrowWriter
from PIL import Image as Pillow

from visionthink_pl.commands.prepare.classify import Verdict
from visionthink_pl.commands.prepare.examine import read_again
from visionthink_pl.commands.prepare.record import Row
from visionthink_pl.commands.prepare.selection import Selection
from visionthink_pl.commands.prepare.settings import Settings
from visionthink_pl.data.saved import EVIDENCE, PREPARED
from visionthink_pl.types import VQASample

IMAGE_SLOT = "<image>"
FEATURES = Features(
    {
        "problem": Value("string"),
        "original_answer": Value("string"),
        "solution": Value("string"),
        "answers": List(Value("string")),
        "images": Image(decode=False),  # one image, a struct of bytes and path
        "info": {
            "tgt_width": Value("int64"),
            "tgt_height": Value("int64"),
            "use_tool": Value("bool"),
        },
        "doc_id": Value("string"),
        "data_source": Value("string"),
        "correct_low": Value("int64"),
        "correct_high": Value("int64"),
        EVIDENCE: List(List(Value("int64"))),
        PREPARED: Value("string"),  # a JSON object: other rows may hold other columns and types
    }
)
AT_ONCE = 32  # rows held in memory while they are written


def write_dataset(folder: Path, selection: Selection, settings: Settings) -> None:
    """Write the kept samples, for ``datasets.load_from_disk``.

    An earlier data set is replaced once the new one is complete.

    Raises:
        ConfigError: a sample has changed since it was counted.
    """
    part, old = (folder.with_name(f".{folder.name}.{suffix}") for suffix in ("part", "old"))
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    part.mkdir(parents=True)
    rows_file = part / "rows.arrow"
    with ArrowWriter(path=str(rows_file), features=FEATURES, writer_batch_size=AT_ONCE) as writer:
        for values in _rows(selection, settings):
            writer.write(values)
        writer.finalize()
    dataset = Dataset.from_file(str(rows_file))
    dataset.save_to_disk(part / "whole", num_shards=None if len(dataset) else 1)
    if folder.exists():
        folder.rename(old)
    (part / "whole").rename(folder)
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)


def _rows(selection: Selection, settings: Settings) -> Iterator[dict[str, Any]]:
    for row in selection.kept:
        sample = read_again(row, settings.data)
        yield columns(row, sample, selection.verdicts[row.index], settings)


def columns(row: Row, sample: VQASample, verdict: Verdict, settings: Settings) -> dict[str, Any]:
    """The columns of one sample."""
    (image,) = sample.images
    first, *_ = settings.view.views(sample, settings.view.full(sample, settings.limits))
    width, height = first.image.size
    return {
        "problem": f"{IMAGE_SLOT}\n{sample.question}",
        "original_answer": sample.answer,
        "solution": sample.answer,
        "answers": list(sample.answers),
        "images": {"bytes": _png(image), "path": None},
        "info": {
            "tgt_width": width,
            "tgt_height": height,
            "use_tool": verdict is Verdict.NEEDS_HIGH,
        },
        "doc_id": sample.id,
        "data_source": sample.kind,
        "correct_low": row.low,
        "correct_high": row.high,
        EVIDENCE: [list(region.box) for region in sample.evidence],
        PREPARED: json.dumps(dict(sample.extra), default=str),
    }


def _png(image: Pillow.Image) -> bytes:
    """The decoded image, upright and before any limit, as PNG: lossless."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
