"""Runs that are killed and resumed: one folder, each step once, and the configs."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainer_helpers import SMALL_RUN
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.commands.trainer.run_config import Resumed, go_on

pytestmark = pytest.mark.integration

LOGGERS = ("TensorBoardLogger", "CSVLogger")  # Lightning's own
MINE = Path("runs/mine")
FOLDER = MINE / "version_0"
KILLED = """
import os, signal
from lightning import Callback

class Killed(Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if batch_idx == 2:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four batches; a checkpoint behind each, and a validation behind the second and fourth."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    config = yaml.safe_load(SMALL_RUN)
    config["trainer"] |= {"limit_train_batches": 4, "val_check_interval": 2}
    config["trainer"]["enable_progress_bar"] = False
    config["trainer"]["logger"] = [
        {
            "class_path": f"lightning.pytorch.loggers.{name}",
            "init_args": {"save_dir": "runs", "name": "mine"},
        }
        for name in LOGGERS
    ]
    config["trainer"]["callbacks"] = [
        {
            "class_path": "visionthink_pl.callbacks.AdapterCheckpoint",
            "init_args": {"every_n_train_steps": 1, "save_top_k": -1, "filename": "{step}"},
        }
    ]
    config["data"]["train"]["init_args"]["length"] = 32
    config["data"]["validation"] = {
        "class_path": "visionthink_pl.data.LookCloser",
        "init_args": {"length": 6, "split": "validation"},
    }
    Path("small.yaml").write_text(yaml.safe_dump(config))


def run(verb: str, *args: str, step: int | None = None) -> int:
    ckpt = [] if step is None else [f"--ckpt_path={FOLDER}/checkpoints/step={step}.ckpt"]
    return main([verb, "--config", "small.yaml", *args, *ckpt])


def rows() -> list[tuple[str, str]]:
    """Of the table: the step, and what was logged."""
    with (FOLDER / "metrics.csv").open() as lines:
        read = list(csv.DictReader(lines))
    return [(row["step"], "val" if row["val/accuracy"] else row["rollout_step"]) for row in read]


def curve(name: str) -> list[int]:
    return [event.step for event in EventAccumulator(str(FOLDER)).Reload().Scalars(name)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


WHOLE = [("0", "val"), ("0", "0"), ("1", "1"), ("1", "val"), ("2", "2"), ("3", "3"), ("3", "val")]


def test_killed_resumed_and_measured_it_is_one_run() -> None:
    Path("killing.py").write_text(KILLED)
    command = [sys.executable, "-m", "visionthink_pl", "fit", "--config", "small.yaml"]
    source = str(Path(sys.modules["visionthink_pl"].__file__ or "").parents[1])
    killed = subprocess.run(
        [*command, "--trainer.callbacks+", "killing.Killed"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([source, "."])},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert rows() == WHOLE[:5], "what was logged is on the disk"
    assert run("fit", step=2) == 0
    assert run("validate", step=2) == run("validate", step=4) == 0
    assert [path.name for path in MINE.iterdir()] == ["version_0"]
    assert rows() == WHOLE
    assert curve("train/reward") == [0, 1, 2, 3] and curve("val/accuracy") == [0, 1, 3]
    for name in ("validate", "validate_1"):
        assert (FOLDER / name / "metrics.csv").is_file()
        ckpt = yaml.safe_load((FOLDER / name / "config.yaml").read_text())["ckpt_path"]
        assert ckpt.endswith("step=2.ckpt" if name == "validate" else "step=4.ckpt")


@pytest.mark.parametrize(
    ("at", "stays"), [(0, [0, 0, 9]), (1, [0, 0, 9]), (2, [0, 0, 1, 9]), (None, [0, 0, 1, 2, 9])]
)
def test_what_tensorboard_shows(at: int | None, stays: list[int]) -> None:
    """The validation before training, three batches, and what is logged after going on."""
    for resumed_at, steps in ((None, (0, 0, 1, 2)), (at, (9,))):
        logger = TensorBoardLogger("runs", "mine", 0)
        assert logger.experiment is not None
        go_on(logger, Resumed(0, resumed_at, {FOLDER.resolve()}))
        for step in steps:
            logger.log_metrics({"x": 1.0}, step)
        logger.finalize("success")
        time.sleep(1)  # files are read in the order of their names, which begin with the second
    assert curve("x") == stays
    go_on(logger, Resumed(0, 0, {MINE.resolve()}))
    logger.finalize("success")
    assert curve("x") == stays, "a folder of another run's"


def read_config(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text())


def test_a_config_that_changes_stays_and_one_that_does_not_is_one() -> None:
    assert run("fit", "--trainer.max_steps=2") == 0
    assert run("fit", "--trainer.max_steps=2", step=1) == 0
    assert [file.name for file in FOLDER.glob("*.yaml")] != []
    assert not [*FOLDER.glob("config_until*")]
    assert run("fit", "--trainer.max_steps=4", step=2) == 0
    assert [file.name for file in FOLDER.glob("config_until*")] == ["config_until_step_2.yaml"]
    assert read_config("config_until_step_2.yaml")["trainer"]["max_steps"] == 2
    assert read_config("config.yaml")["trainer"]["max_steps"] == 4
    again = ["fit", "--config", str(FOLDER / "config_until_step_2.yaml"), "--ckpt_path=null"]
    assert main(again) == 0, "its config starts another run"
    assert sorted(path.name for path in MINE.iterdir()) == ["version_0", "version_1"]


def test_a_checkpoint_that_is_refused_changes_nothing() -> None:
    assert run("fit") == 0
    before = contents(FOLDER)
    curves = {name: curve(name) for name in ("train/reward", "val/accuracy")}
    assert run("fit", "--model.lora.r=4", step=1) == 2
    after = contents(FOLDER)
    empty = {name for name in after.keys() - before.keys() if "events.out.tfevents" in name}
    assert {name: after[name] for name in after.keys() - empty} == before
    assert {name: curve(name) for name in curves} == curves and rows() == WHOLE
