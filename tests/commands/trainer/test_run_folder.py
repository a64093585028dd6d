"""One folder a run: where loggers write, and what a resumed run keeps."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from jsonargparse import Namespace
from lightning.pytorch.loggers import CSVLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainer_helpers import SMALL_RUN
from visionthink_pl.callbacks import ContinuedCSVLogger
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.commands.trainer.run_folder import place_logs

TENSORBOARD = "lightning.pytorch.loggers.TensorBoardLogger"
CSV = "visionthink_pl.callbacks.ContinuedCSVLogger"


def logger(kind: str, **given: Any) -> Namespace:
    settings = {"save_dir": "runs", "name": "mine", "version": None} | given
    return Namespace(class_path=kind, init_args=Namespace(**settings))


def placed(verb: str, ckpt: str | None, *loggers: Any) -> list[Any]:
    trainer = Namespace(logger=list(loggers))
    place_logs(trainer, verb, ckpt)
    return [each.init_args.version for each in trainer.logger if isinstance(each, Namespace)]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Versions 0 and 3 of a run, the latter with a checkpoint, and another run's."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine/version_0", "mine/version_3/checkpoints", "other/version_7"):
        Path("runs", name).mkdir(parents=True)
    saved = {"state_dict": {}, "global_step": 5, "loops": {}}
    saved["callbacks"] = {"RolloutCallback": {"draw": 2}}
    torch.save(saved, "runs/mine/version_3/checkpoints/a.ckpt")
    Path("runs/mine/version_3/config.yaml").write_text("old: 1\n")
    return tmp_path


CKPT = "runs/mine/version_3/checkpoints/a.ckpt"
PLACED: list[tuple[str, str | None, Any]] = [
    ("fit", None, 4),
    ("fit", CKPT, 3),
    ("fit", "elsewhere/a.ckpt", 4),
    ("validate", None, 4),
    ("validate", CKPT, "version_3/validate"),
    ("predict", CKPT, "version_3/predict"),
]


@pytest.mark.parametrize(("verb", "ckpt", "version"), PLACED)
@pytest.mark.parametrize("absolute", [False, True])
def test_all_loggers_write_into_one_folder(
    verb: str, ckpt: str | None, version: Any, absolute: bool, runs: Path
) -> None:
    named = str(runs / ckpt) if ckpt and absolute else ckpt
    assert placed(verb, named, logger(TENSORBOARD), logger(CSV)) == [version] * 2


def test_what_somebody_has_set_stays(runs: Path) -> None:
    own = logger(TENSORBOARD, version=9), logger("my.Logger"), True
    assert placed("fit", CKPT, *own, logger(CSV)) == [9, None, 3]
    assert (
        placed("fit", None, logger(TENSORBOARD, name="new"), logger(CSV, name="other")) == [8] * 2
    )
    for nothing in (None, True, False):
        place_logs(Namespace(logger=nothing), "fit", None)


def test_what_is_written_again_is_dropped_and_the_config_kept(runs: Path) -> None:
    tensorboard, rows = logger(TENSORBOARD), logger(CSV)
    place_logs(Namespace(logger=[tensorboard, rows]), "fit", CKPT)
    assert tensorboard.init_args.purge_step == 2 and rows.init_args.resumed_at == 2
    assert Path("runs/mine/version_3/config_until_step_5.yaml").read_text() == "old: 1\n"


def write_rows(
    kind: type[CSVLogger], folder: Path, rows: list[dict[str, Any]], **more: Any
) -> None:
    found = kind(str(folder), "mine", 0, **more)
    for row in rows:
        found.log_metrics({k: v for k, v in row.items() if k != "step"}, row["step"])
        found.save()


FIRST = [{"step": n, "rollout_step": n, "loss": 0.1 * n} for n in range(4)]
FIRST.insert(2, {"step": 1, "val/accuracy": 0.5})  # behind the batch of that step
FIRST.append({"step": 3, "val/accuracy": 0.6})
AGAIN = [{"step": n, "rollout_step": n, "loss": 9.0, "more": 1.0} for n in (2, 3)]


def test_rows_are_kept_and_those_written_again_are_not(tmp_path: Path) -> None:
    write_rows(ContinuedCSVLogger, tmp_path, FIRST)
    write_rows(ContinuedCSVLogger, tmp_path, AGAIN, resumed_at=2)
    with (tmp_path / "mine" / "version_0" / "metrics.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["step"], row["loss"], row["val/accuracy"]) for row in rows] == [
        ("0", "0.0", ""),
        ("1", "0.1", ""),
        ("1", "", "0.5"),
        ("2", "9.0", ""),
        ("3", "9.0", ""),
    ]


def test_lightning_s_own_loses_them(tmp_path: Path) -> None:
    """The control."""
    write_rows(CSVLogger, tmp_path, FIRST)
    write_rows(CSVLogger, tmp_path, AGAIN)
    with (tmp_path / "mine" / "version_0" / "metrics.csv").open() as lines:
        assert len(list(csv.DictReader(lines))) == 2


@pytest.mark.integration
def test_a_run_resumed_and_validated_has_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    config = yaml.safe_load(SMALL_RUN)
    given = {"save_dir": "runs", "name": "mine"}
    config["trainer"]["logger"] = [
        {"class_path": TENSORBOARD, "init_args": given},
        {"class_path": CSV, "init_args": given},
    ]
    config["data"]["validation"] = {
        "class_path": "visionthink_pl.data.LookCloser",
        "init_args": {"length": 6, "split": "validation"},
    }
    Path("small.yaml").write_text(yaml.safe_dump(config))
    quiet = ["--config", "small.yaml", "--trainer.enable_progress_bar", "false"]
    assert main(["fit", *quiet]) == 0
    (ckpt,) = Path("runs").rglob("*.ckpt")
    assert main(["fit", *quiet, "--trainer.max_epochs=2", f"--ckpt_path={ckpt}"]) == 0
    assert main(["validate", *quiet, f"--ckpt_path={ckpt}"]) == 0
    folder = Path("runs/mine/version_0")
    assert [path.name for path in Path("runs/mine").iterdir()] == ["version_0"]
    with (folder / "metrics.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["step"] for row in rows if row["rollout_step"]] == ["0", "1"]
    assert [row["step"] for row in rows if row["val/accuracy"]] == ["0", "0", "1"]
    events = EventAccumulator(str(folder)).Reload()
    assert [event.step for event in events.Scalars("train/reward")] == [0, 1]
    assert yaml.safe_load((folder / "config.yaml").read_text())["trainer"]["max_epochs"] == 2
    (kept,) = folder.glob("config_until_step_*.yaml")
    assert yaml.safe_load(kept.read_text())["trainer"]["max_epochs"] == 1
    assert (folder / "validate" / "metrics.csv").is_file()
    assert (folder / "validate" / "trajectories" / "val.jsonl").is_file()
