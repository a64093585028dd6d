"""The check on a GPU, on the smallest model and without one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.long]

ROOT = Path(__file__).parents[2]
WRITE = """
import sys
from pathlib import Path
from bench.work import Work, write_model
write_model(Work("tiny", 1, 8, 2, 0, 16, 8, 1.0, 0.0, "float32", "cpu"), Path(sys.argv[1]))
"""
STEP = [  # what the check does with it
    *("--trainer.precision", "32-true", "--data.prompts_per_step", "1", "--prompt-tokens", "0"),
    *("--model.lora.r", "16", "--model.micro_batch_size", "8"),
    *("--model.gradient_checkpointing", "true", "--rollout.max_new_tokens", "8"),
    *("--rollout.rows", "8", "--rollout.limits.max_pixels", str(112**2), "--json"),
    *("--data.train", "visionthink_pl.data.LookCloser"),
]


def python(*args: str) -> str:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tools'}"}
    environment |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, *args], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_sets_the_plan_s_own_figure_against_what_was_measured(tmp_path: Path) -> None:
    file, model = tmp_path / "check.json", tmp_path / "model"
    out = python(str(ROOT / "tools" / "gpu_check.py"), "--size", "tiny", "--json", str(file))
    found = json.loads(file.read_text(encoding="utf-8"))
    assert list(found) == ["tiny fp32"] and "tiny fp32" in out
    python("-c", WRITE, str(model))
    plan = ["-m", "visionthink_pl", "plan", "--model.pretrained", str(model), *STEP]
    planned = json.loads(python(*plan))["peak_bytes"]
    assert found["tiny fp32"]["planned_bytes"] == planned
    assert (model / "model.safetensors").stat().st_size < planned
    assert planned < found["tiny fp32"]["measured_bytes"]
