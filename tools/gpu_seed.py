"""Whether two runs with one seed are equal on a GPU, to the bit.

    python tools/gpu_seed.py --json seed.json

Trains the quickstart's first batches twice each way, with and without `trainer.deterministic`, and
compares sampled ids, log-probs, rewards and trained weights of each batch.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
WAYS = {
    "fp32": ("32-true", "false"),
    "fp32, deterministic": ("32-true", "true"),
    "bf16": ("bf16-mixed", "false"),
    "bf16, deterministic": ("bf16-mixed", "true"),
}


def steps(folder: Path, precision: str, deterministic: str, batches: int) -> list[dict]:
    """What each batch of one run did."""
    folder.mkdir(parents=True)
    file = folder / "steps.jsonl"
    probe = f"{{class_path: seed_probe.SeedProbe, init_args: {{file: {file}, threads: 1}}}}"
    options = {
        "callbacks": f"[{probe}]",
        "logger": "false",
        "enable_checkpointing": "false",
        "enable_progress_bar": "false",
        "accelerator": "gpu" if torch.cuda.is_available() else "cpu",
        "precision": precision,
        "deterministic": deterministic,
        "limit_train_batches": str(batches),
    }
    command = [sys.executable, "-m", "visionthink_pl", "fit", "--data.validation=null"]
    command += ["--config", str(ROOT / "configs" / "quickstart.yaml")]
    command += [f"--trainer.{key}={value}" for key, value in options.items()]
    paths = [str(ROOT / "src"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"fit ended with {done.returncode}:\n{done.stderr[-2000:]}")
    for line in sorted({line for line in done.stderr.splitlines() if "deterministic" in line}):
        print(f"  {line.strip()[:300]}")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def first_difference(first: list[dict], second: list[dict]) -> dict[str, int | None]:
    """The first batch, from 0, at which each kind of value differs; None where none does."""
    return {
        key: next(
            (i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a[key] != b[key]),
            None,
        )
        for key in ("ids", "logprobs", "rewards", "weights")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    args = parser.parse_args()
    found = {}
    for way in args.only:
        with tempfile.TemporaryDirectory() as folder:
            runs = [
                steps(Path(folder) / name, *WAYS[way], args.batches) for name in ("first", "second")
            ]
        found[way] = first_difference(*runs)
        print(f"{way}: first batch that differs, of {args.batches}: {found[way]}", flush=True)
        if args.json:
            args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
