"""The benchmark on the smallest model: that both do the work asked for, and what it writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.long]

ROOT = Path(__file__).parents[2]
SMALL = ["--size", "tiny", "--group-size", "4", "--image-tokens", "16", "--prompt-tokens", "50"]
SMALL += ["--new-tokens", "6", "--steps", "1", "--threads", "1"]


def bench(folder: Path, *args: str) -> dict:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1"}
    file = folder / "step.json"
    command = [sys.executable, str(ROOT / "tools" / "bench_step.py"), *SMALL, *args]
    done = subprocess.run(
        [*command, "--json", str(file)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("turns", ["2", "4"])
def test_against_the_naive_oracle(tmp_path: Path, turns: str) -> None:
    found = bench(tmp_path, "--turns", turns, "--ask-rate", "0.5", "--vs", "naive")
    assert found["ratio"] == pytest.approx(found["other_s"] / found["ours_s"])
    assert 0 < found["least_flops"] <= found["ours_flops"] < found["other_flops"]
    assert found["ours_peak_bytes"] > 0 and found["other_peak_bytes"] > 0
    parts = {"image processing", "tower", "prefill", "decoding", "policy forward"}
    assert parts | {"policy backward", "optimizer"} <= set(found["parts"])
    assert sum(found["parts"].values()) <= 1.05 * found["ours_s"]


def test_flops_grow_with_what_is_generated_and_not_with_the_prompt(tmp_path: Path) -> None:
    few, many = (bench(tmp_path, "--group-size", size)["ours_flops"] for size in ("2", "8"))
    assert few < many < 4 * few


def test_what_is_saved_shows_where_it_is_left_out(tmp_path: Path) -> None:
    whole, without = (bench(tmp_path, *args) for args in ((), ("--without", "shared-prompts")))
    assert without["ours_flops"] > 1.5 * whole["ours_flops"]


def test_a_reference_is_a_part_where_there_is_a_kl(tmp_path: Path) -> None:
    found = bench(tmp_path, "--kl", "0.01")
    assert found["parts"]["reference"] > 0
    assert found["ratio"] is None and found["other_s"] is None
