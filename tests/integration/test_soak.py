"""A long run holds no more at its end than after its start, and its steps take no longer."""

import json
import os
import statistics
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from full_length import FULL

TESTS = Path(__file__).parents[1]
UPDATES = 8
STEPS, EVERY = (2000, 10) if FULL else (480, 3)  # and batches between two lines of the probe
CONFIG = f"""\
trainer:
  accelerator: cpu
  devices: 1
  max_epochs: 1
  logger:
    - class_path: lightning.pytorch.loggers.TensorBoardLogger
      init_args: {{save_dir: runs, name: soak}}
    - class_path: visionthink_pl.callbacks.ContinuedCSVLogger
      init_args: {{save_dir: runs, name: soak}}
  callbacks:
    - class_path: visionthink_pl.callbacks.RolloutLog
    - class_path: soak_probe.SoakProbe
      init_args: {{file: probe.jsonl, every: {EVERY}}}
model: {{updates_per_batch: {UPDATES}, optimizer: {{lr: 1.0e-6}}}}
data:
  train:
    class_path: visionthink_pl.data.LookCloser
    init_args: {{length: {STEPS // UPDATES * UPDATES}}}
  validation: null
  prompts_per_step: {UPDATES}
rollout:
  group_size: 4
  max_new_tokens: 6
  rewards: [{{class_path: trainer_helpers.ByPlace}}]
"""


@pytest.mark.long
@pytest.mark.integration
def test_many_steps(tmp_path: Path) -> None:
    (tmp_path / "soak.yaml").write_text(CONFIG)
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "visionthink_pl", "fit", "--config", "soak.yaml"]
    environment = os.environ | {"PYTHONPATH": path}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    seen = [json.loads(line) for line in (tmp_path / "probe.jsonl").read_text().splitlines()]
    assert seen[-1]["steps"] == STEPS
    settled = seen[len(seen) // 4 :]
    early, late = settled[: len(settled) // 3], settled[-(len(settled) // 3) :]
    for held in ("threads", "files"):  # one that is there for a moment is no leak
        before, after = (statistics.median_low([line[held] for line in s]) for s in (early, late))
        assert after <= before, held
    memory = max(line["resident"] for line in settled) / settled[0]["resident"]
    times = [
        (later["seconds"] - line["seconds"]) / statistics.mean([line["fixed"], later["fixed"]])
        for line, later in pairwise(settled)
    ]
    third = len(times) // 3
    slower = statistics.median(times[-third:]) / statistics.median(times[:third])
    print(f"after {STEPS} steps: memory {memory:.4f} times, step time {slower:.3f} times")
    assert memory < 1.02
    assert not FULL or slower < 1.1  # of few steps one slow one counts for much
