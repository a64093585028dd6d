"""How long the look at the training rows takes before training, the first time and again.

    python tools/bench_data.py --rows 130000

Photographs of 2 megapixels with EXIF data, as cameras write them: some are made, all other rows are
hard links to these (``--form folder``, and ``jsonl`` of the same for ``VQADataset``), or hold their
bytes (``--form parquet``, which takes 0.4 MB a row on the disk). Each look is in a process of its
own. Prompts are counted too, since ``max_prompt_tokens`` is set. What decoding all of them would
take is reckoned from a few.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from datasets import Dataset
from PIL import ExifTags, Image

from visionthink_pl.callbacks import RolloutCallback
from visionthink_pl.data import ImageFolder, PromptDataModule, Source, VQADataset
from visionthink_pl.module import VisionThinkModule

SIZE = (1632, 1224)  # pixels
MODEL, LENS, UPRIGHT_AT = "a camera", 50.0, (1, 3, 6, 8)  # EXIF; orientations in turn
DECODED = 20  # from which the rest is reckoned


def photograph(number: int) -> bytes:
    """JPEG data with structure coarse and fine, and EXIF data."""
    coarse = Image.effect_noise((24, 18), 90 + number % 20).resize(SIZE, Image.Resampling.BICUBIC)
    fine = Image.effect_noise((SIZE[0] // 2, SIZE[1] // 2), 24).resize(SIZE)
    picture = Image.merge("RGB", (coarse, Image.blend(coarse, fine, 0.3), fine))
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = MODEL
    exif[ExifTags.Base.Orientation] = UPRIGHT_AT[number % len(UPRIGHT_AT)]
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLength] = LENS
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88, exif=exif)
    return out.getvalue()


def write_folder(folder: Path, rows: int, distinct: int) -> None:
    """As ``ImageFolder`` reads it."""
    made = [folder / f"made-{number}.jpg" for number in range(min(distinct, rows))]
    for number, file in enumerate(made):
        file.write_bytes(photograph(number))
    with (folder / "questions.jsonl").open("w", encoding="utf-8") as out:
        for row in range(rows):
            name = f"{row // 1000:03}/{row}.jpg"
            (folder / name).parent.mkdir(exist_ok=True)
            os.link(made[row % len(made)], folder / name)
            out.write(json.dumps({"image": name, "question": question(row), "answer": "7"}) + "\n")


def write_parquet(folder: Path, rows: int, distinct: int) -> None:
    """As ``VQADataset`` reads it, images within."""
    made = [photograph(number) for number in range(min(distinct, rows))]

    def all_rows() -> Any:
        for row in range(rows):
            image = {"bytes": made[row % len(made)], "path": None}
            yield {"image": image, "question": question(row), "answer": "7"}

    Dataset.from_generator(all_rows, cache_dir=str(folder / "made")).to_parquet(
        folder / "rows.parquet"
    )


def question(row: int) -> str:
    return f"What is written on sign number {row}, below the second window from the left?"


def source_of(folder: Path, form: str) -> Source:
    if form == "folder":
        return ImageFolder(str(folder))
    name = {"jsonl": "questions.jsonl", "parquet": "rows.parquet"}[form]
    return VQADataset(str(folder / name), image_folder=str(folder))


def look(folder: Path, form: str) -> dict[str, float]:
    """Once, in this process: seconds by the clock and of the processor."""
    module, rollout = VisionThinkModule(), RolloutCallback(max_prompt_tokens=4096)
    started, used = time.perf_counter(), time.process_time()
    data = PromptDataModule(source_of(folder, form))
    opened = time.perf_counter() - started
    rollout.screening.check(data, rollout.sampler.conversation(module))
    return {
        "clock_s": time.perf_counter() - started,
        "processor_s": time.process_time() - used,
        "of_which_opening_the_source_s": opened,
    }


def decode(folder: Path, form: str, rows: int) -> dict[str, float]:
    """What it would take to decode every row, reckoned."""
    source = source_of(folder, form)
    started, few = time.process_time(), min(DECODED, rows)
    for row in range(few):
        _ = source[row]
    return {"processor_s": (time.process_time() - started) / few * rows}


def apart(folder: Path, part: str, form: str, rows: int) -> dict[str, float]:
    """A part in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--folder", str(folder), "--form", form]
    done = subprocess.run([*command, "--rows", str(rows)], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=130_000)
    parser.add_argument("--distinct", type=int, default=200, help="photographs that are made")
    parser.add_argument("--form", choices=("folder", "jsonl", "parquet"), default="folder")
    parser.add_argument("--folder", type=Path, help="where they go; a temporary one by default")
    parser.add_argument("--json", type=Path, help="file that the figures are written to")
    parser.add_argument("--part", choices=("look", "decode"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        here = args.folder, args.form
        print(json.dumps(look(*here) if args.part == "look" else decode(*here, args.rows)))
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        write = write_parquet if args.form == "parquet" else write_folder
        write(folder, args.rows, args.distinct)
        parts = {"first": "look", "again": "look", "decoding, reckoned": "decode"}
        found = {what: apart(folder, part, args.form, args.rows) for what, part in parts.items()}
    for what, seconds in found.items():
        print(f"{what}: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()))
    if args.json:
        args.json.write_text(json.dumps({"rows": args.rows, **found}), encoding="utf-8")


if __name__ == "__main__":
    main()
