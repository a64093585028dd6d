"""An endpoint that is down for an hour, while two processes train."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from judge_server import Action, Fail, Say, judge_server
from outage_probe import FASTER

pytestmark = pytest.mark.integration
TESTS = Path(__file__).parents[1]
NEVER_S = 1800.0
HOUR_S = 3600

CONFIG = """
seed_everything: 1
trainer:
  accelerator: cpu
  devices: 2
  strategy: {class_path: DDPStrategy, init_args: {timeout: '3:00:00'}}
  max_epochs: 1
  limit_train_batches: 2
  limit_val_batches: 0
  logger: false
  enable_progress_bar: false
  enable_model_summary: false
  callbacks: [{class_path: outage_probe.HoursPass}]
model: {lora: {r: 4}}
data:
  train: {class_path: visionthink_pl.data.LookCloser, init_args: {length: 40}}
  validation: null
  prompts_per_step: 4
rollout:
  group_size: 2
  max_new_tokens: 40
  rewards:
    - class_path: visionthink_pl.rewards.JudgeAccuracy
      init_args:
        judge:
          class_path: visionthink_pl.rewards.APIJudge
          init_args:
            {model: made, base_url: URL, api_key_env: null, deadline: 2000, max_outage: MOST}
"""


def fit(folder: Path, url: str, most: int, **options: str) -> subprocess.CompletedProcess:
    """Both processes, ended."""
    file = folder / "config.yaml"
    file.write_text(CONFIG.replace("URL", url).replace("MOST", str(most)), encoding="utf-8")
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MASTER_", "LOCAL_RANK"))}
    return subprocess.run(
        [sys.executable, "-m", "visionthink_pl", "fit", "--config", str(file)]
        + [f"--{name}={value}" for name, value in options.items()],
        cwd=folder,
        env=own | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=NEVER_S,
    )


class Down:
    """Answers a few requests, is down for an hour of the fast clock, and answers again."""

    def __init__(self) -> None:
        self.back_at: float | None = None

    def __call__(self, request: dict[str, Any], before: int) -> Action:
        if self.back_at is None and before >= 3:
            self.back_at = time.monotonic() + HOUR_S / FASTER
        down = self.back_at is not None and time.monotonic() < self.back_at
        return Fail(503) if down else Say("Score: 1")


@pytest.mark.long
def test_both_processes_wait_for_an_hour_and_go_on(tmp_path: Path) -> None:
    with judge_server(Down()) as server:
        ended = fit(tmp_path, server.url, most=2 * HOUR_S)
    assert ended.returncode == 0, ended.stdout
    assert "is down" in ended.stdout and "is back after" in ended.stdout


@pytest.mark.long
def test_both_stop_with_a_checkpoint_once_the_outage_is_too_long(tmp_path: Path) -> None:
    with judge_server(Down()) as server:
        ended = fit(tmp_path, server.url, most=HOUR_S // 4)
    assert ended.returncode != 0 and "the judge gave no verdict on" in ended.stdout
    assert "Traceback" not in ended.stdout, ended.stdout
    assert list(tmp_path.rglob("stopped.ckpt")), ended.stdout


def test_processes_that_would_not_wait_are_refused(tmp_path: Path) -> None:
    strategy = {"trainer.strategy": "ddp"}
    ended = fit(tmp_path, "http://127.0.0.1:1/v1", most=HOUR_S, **strategy)
    assert ended.returncode != 0 and "Traceback" not in ended.stdout, ended.stdout
    assert (
        "trainer.strategy: processes give up waiting for each other after 0:30:00" in ended.stdout
    )
    assert "init_args: {timeout: '1:34:20'}" in ended.stdout
