"""Runs the same commands with the package as it stands and as it stood, and compares what they do,
bit by bit: sampled ids, log-probabilities, rewards, gradients, weights, metrics; the samples that
`prepare` keeps, the figures of `plan`, the files of `export`.

    python tools/compare_behaviour.py v0.3.0

One thread, fp32 and bf16, on the CPU. Exits with 1 where anything differs. A revision whose options
have other names needs an older version of this file.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from behaviour.inputs import make_inputs
from behaviour.probe import WITHOUT

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
RECORD = "record.jsonl"
CHECKPOINT = "runs/quickstart/version_0/checkpoints/epoch=0-step=4.ckpt"
QUICKSTART = [
    "--config",
    "{root}/configs/quickstart.yaml",
    "--trainer.enable_progress_bar",
    "false",
]
PROBE = ["--trainer.callbacks+", "behaviour.probe.Record"]
PROBE += ["--trainer.enable_progress_bar", "false"]
FIT = ["fit", *QUICKSTART, *PROBE, "--trainer.limit_val_batches", "1"]
FOLDER = "visionthink_pl.data.ImageFolder"


@dataclass(frozen=True)
class Run:
    """A command line of ``python -m visionthink_pl``, and the files to compare that it leaves."""

    args: Sequence[str]
    files: Sequence[str] = (RECORD,)


RUNS: Mapping[str, Run] = {
    "quickstart": Run(
        [*FIT, "--trainer.max_steps", "4"],
        [RECORD, "runs/**/adapter_model.safetensors"],
    ),
    "export": Run(
        ["export", "--ckpt", f"../quickstart/{CHECKPOINT}", "--out", "out", "--merge"],
        ["out/*.safetensors"],
    ),
    "several draws and updates, bf16, KL": Run(
        [*FIT, "--trainer.limit_train_batches", "5", "--rollout.max_draws", "2"]
        + ["--model.updates_per_batch", "2", "--model.gradient_checkpointing", "true"]
        + ["--trainer.precision", "bf16-mixed", "--model.loss.kl_coefficient", "0.01"]
        + ["--model.loss.entropy_coefficient", "0.001", "--model.loss.aggregation", "token"]
    ),
    "all weights of Qwen3-VL, photographs": Run(
        [*FIT, "--model.pretrained", "{work}/qwen3_vl", "--model.lora", "null"]
        + ["--model.train_vision_tower", "true", "--model.optimizer.lr", "1e-5"]
        + ["--data.train", FOLDER, "--data.train.folder", "{work}/images"]
        + ["--data.prompts_per_step", "4", "--trainer.max_steps", "2", "--rollout.filters", "[]"]
        + ["--rollout.rewards", '[{"class_path": "behaviour.probe.Length"}]']
    ),
    "prediction": Run(
        ["predict", *QUICKSTART, *PROBE]
        + ["--data.predict", FOLDER, "--data.predict.folder", "{work}/images"]
    ),
    "prepare": Run(
        ["prepare", "--config", "{root}/configs/prepare/lookcloser.yaml", "--out", "out"]
        + ["--data.init_args.length", "60"],
        ["out/counts.jsonl", "out/summary.json"],
    ),
    "plan": Run(["plan", *QUICKSTART, "--json", "plan.json", "--gpu", "8GB"], ["plan.json"]),
}


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="What the package does, now and at a revision.")
    parser.add_argument("revision", help="a tag, a branch or a commit")
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--without", nargs="+", default=[], help="metrics that one of them lacks")
    options = parser.parse_args(args)
    os.environ[WITHOUT] = " ".join(options.without)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        before = work / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(before), options.revision)
        try:
            make_inputs(work)
            same = [_same(name, work, before) for name in options.only]
        finally:
            _git("worktree", "remove", "--force", str(before))
    return 0 if all(same) else 1


def _same(name: str, work: Path, before: Path) -> bool:
    """Run one command on both trees, print what came of it, and whether it is the same."""
    ends = [_run(name, work, tree, side) for side, tree in (("before", before), ("now", ROOT))]
    found = [_digests(work / side / name, RUNS[name].files) for side in ("before", "now")]
    same = found[0] == found[1] and ends == [0, 0] and bool(found[0])
    print(
        f"{'same' if same else 'DIFFERS'}: {name} ({len(found[0])} files, exit {ends})", flush=True
    )
    for file in sorted(found[0].keys() | found[1].keys()):
        if found[0].get(file) != found[1].get(file):
            print(f"    {file}: {found[0].get(file, 'absent')} {found[1].get(file, 'absent')}")
    return same


def _run(name: str, work: Path, tree: Path, side: str) -> int:
    folder = work / side / name
    folder.mkdir(parents=True)
    args = [a.replace("{root}", str(tree)).replace("{work}", str(work)) for a in RUNS[name].args]
    paths = os.pathsep.join([str(tree / "src"), str(ROOT / "tools")])
    with (folder / "output.txt").open("w") as output:
        return subprocess.call(
            [sys.executable, "-m", "visionthink_pl", *args],
            cwd=folder,
            env=os.environ | ENVIRONMENT | {"PYTHONPATH": paths},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _digests(folder: Path, patterns: Sequence[str]) -> dict[str, str]:
    files = [file for pattern in patterns for file in sorted(folder.glob(pattern))]
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()[:16] for f in files
    }


def _git(*args: str) -> None:
    subprocess.run(["git", "-C", str(ROOT), *args], check=True)  # noqa: S607


if __name__ == "__main__":
    sys.exit(main())
