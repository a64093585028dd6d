"""A fit with the options of docs/sampling.md."""

import csv
import re
from pathlib import Path

import pytest
import yaml

from trainer_helpers import SMALL_RUN
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.policy import packing

PAGE = (Path(__file__).parents[2] / "docs" / "sampling.md").read_text(encoding="utf-8")
(OPTIONS,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
MODEL = {
    "loss": {
        "class_path": "visionthink_pl.losses.GRPOLoss",
        "init_args": {"kl_coefficient": 0.01, "entropy_coefficient": 0.01},
    },
    "micro_batch_size": 5,
}

pytestmark = pytest.mark.integration


def fit(folder: Path, monkeypatch: pytest.MonkeyPatch, *args: str) -> dict[str, float]:
    """What is logged of the one batch."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    Path("small.yaml").write_text(SMALL_RUN)
    rollout = yaml.safe_load(OPTIONS)["rollout"] | {"temperature": 2.0}  # so that much is left out
    Path("page.yaml").write_text(yaml.safe_dump({"model": MODEL, "rollout": rollout}))
    assert main(["fit", "--config", "small.yaml", "--config", "page.yaml", *args]) == 0
    (file,) = folder.rglob("metrics.csv")
    with file.open() as lines:
        rows = [row for row in csv.DictReader(lines) if row.get("train/reward")]
    (row,) = rows
    return {name: float(value) for name, value in row.items() if value}


@pytest.mark.parametrize("steps", [1, 2])
def test_what_is_trained_is_what_was_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    logged = fit(tmp_path, monkeypatch, f"--model.updates_per_batch={steps}")
    assert logged["optimizer_step"] == steps
    assert logged["train/logprob_difference_max"] < 1e-5
    assert logged["loss/entropy"] > 0
    # An adapter starts at zero: until it has moved, it is the reference to the bit.
    assert (logged["loss/kl"] == 0) is (steps == 1)


def test_negative_control_without_the_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_supports", lambda trajectories: None)
    assert fit(tmp_path, monkeypatch)["train/logprob_difference_max"] > 0.01
