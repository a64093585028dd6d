"""The same seed, versions, machine and number of threads give the same run, to the bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from full_length import FULL, only_in_full

TESTS = Path(__file__).parents[1]
BATCHES = 10 if FULL else 3
CONFIG = TESTS.parent / "configs" / "quickstart.yaml"


def run(folder: Path, threads: int, batches: int, *more: str) -> list[str]:
    """What each step of a run did."""
    folder.mkdir()
    options = f"{{file: {folder / 'steps.jsonl'}, threads: {threads}}}"
    probe = f"{{class_path: seed_probe.SeedProbe, init_args: {options}}}"
    command = [
        *(sys.executable, "-m", "visionthink_pl", "fit", "--config", str(CONFIG)),
        *("--trainer.logger=false", f"--trainer.callbacks=[{probe}]", "--data.validation=null"),
        *(f"--trainer.limit_train_batches={batches}", "--trainer.enable_checkpointing=false"),
        *("--trainer.enable_progress_bar=false", *more),
    ]
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
    }
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    steps = (folder / "steps.jsonl").read_text().splitlines()
    assert len(steps) == batches
    assert all(step.startswith(f'{{"threads": {threads},') for step in steps)
    return steps


@pytest.mark.integration
def test_two_steps_on_two_threads(tmp_path: Path) -> None:
    small = ("--data.prompts_per_step=4",)
    first = run(tmp_path / "first", 2, 2, *small)
    assert run(tmp_path / "second", 2, 2, *small) == first
    assert run(tmp_path / "other", 2, 2, *small, "--seed_everything=1") != first


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.parametrize(
    ("threads", "more"),
    [
        pytest.param(1, (), marks=only_in_full),
        pytest.param(2, (), marks=only_in_full),
        (4, ()),
        (2, ("--trainer.deterministic=true",)),
    ],
    ids=["1", "2", "4", "2, deterministic"],
)
def test_batches_of_the_quickstart(threads: int, more: tuple[str, ...], tmp_path: Path) -> None:
    runs = [run(tmp_path / name, threads, BATCHES, *more) for name in ("first", "second")]
    assert runs[0] == runs[1]
