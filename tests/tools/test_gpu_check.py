"""The check on a GPU, on the smallest model and without one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def gpu_check(*args: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(ROOT / "tools" / "gpu_check.py"), *args]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_it_runs(tmp_path: Path) -> None:
    done = gpu_check("--size", "tiny", "--json", str(tmp_path / "check.json"))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    assert list(found) == ["tiny fp32"] and "tiny fp32" in done.stdout
    assert 0 < found["tiny fp32"]["planned_bytes"] < found["tiny fp32"]["measured_bytes"]
