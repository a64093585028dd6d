"""A small checkpoint and a folder of photographs, which both trees are given."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image

sys.path.append(str(Path(__file__).parents[2] / "tests"))
from families_helpers import make_checkpoint  # noqa: E402 (of the tests)

SIZES = ((320, 200), (200, 320), (500, 120), (96, 96), (640, 480), (64, 300), (224, 224), (70, 90))


def make_inputs(work: Path) -> None:
    """Write ``qwen3_vl/`` and ``images/`` to ``work``."""
    make_checkpoint("qwen3_vl", work / "qwen3_vl")
    folder = work / "images"
    folder.mkdir()
    rows = []
    for index, size in enumerate(SIZES):
        name, noise = f"{index}.png", Image.effect_noise(size, 60 + index)
        picture = Image.merge("RGB", [noise, noise.rotate(90).resize(size), noise])
        picture.save(folder / name)
        rows.append({"image": name, "question": f"What is number {index}?", "answer": "4"})
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
