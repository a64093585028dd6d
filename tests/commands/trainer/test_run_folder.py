"""One folder a run: where loggers write."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import Namespace

from visionthink_pl.commands.trainer.run_config import Resumed
from visionthink_pl.commands.trainer.run_folder import logs_placed, place_logs

TENSORBOARD = "lightning.pytorch.loggers.TensorBoardLogger"
CSV = "visionthink_pl.callbacks.ContinuedCSVLogger"
PLAIN_CSV = "lightning.pytorch.loggers.CSVLogger"


def logger(kind: str, **given: Any) -> Namespace:
    settings = {"save_dir": "runs", "name": "mine", "version": None} | given
    return Namespace(class_path=kind, init_args=Namespace(**settings))


def placed(verb: str, ckpt: str | None, *loggers: Any) -> list[Any]:
    trainer = Namespace(logger=list(loggers))
    place_logs(trainer, verb, ckpt, "")
    return [each.init_args.version for each in trainer.logger if isinstance(each, Namespace)]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Versions 0 and 3 of a run, the latter with a checkpoint, and another run's."""
    monkeypatch.chdir(tmp_path)
    names = ("version_0", "version_3/checkpoints", "version_3/predict", "version_3/predict_1")
    for name in (
        *(f"mine/{name}" for name in names),
        "other/version_7",
        "lightning_logs/version_2",
    ):
        Path("runs", name).mkdir(parents=True)
    saved = {"state_dict": {}, "global_step": 5, "loops": {}}
    saved["callbacks"] = {"RolloutCallback": {"draw": 2}}
    for folder in ("mine/version_3/checkpoints", "lightning_logs/version_2", "other/version_7"):
        torch.save(saved, f"runs/{folder}/a.ckpt")
    return tmp_path


CKPT = "runs/mine/version_3/checkpoints/a.ckpt"
PLACED: list[tuple[str, str | None, Any]] = [
    ("fit", None, 4),
    ("fit", CKPT, 3),
    ("fit", "elsewhere/a.ckpt", 4),
    ("validate", None, 4),
    ("validate", CKPT, "version_3/validate"),
    ("predict", CKPT, "version_3/predict_2"),  # those that are there stay as they are
    ("test", "runs/other/version_7/a.ckpt", 4),
    ("fit", "runs/mine/version_x/a.ckpt", 4),
]


@pytest.mark.parametrize(("verb", "ckpt", "version"), PLACED)
@pytest.mark.parametrize("absolute", [False, True])
def test_all_loggers_write_into_one_folder(
    verb: str, ckpt: str | None, version: Any, absolute: bool, runs: Path
) -> None:
    named = str(runs / ckpt) if ckpt and absolute else ckpt
    assert placed(verb, named, logger(TENSORBOARD), logger(CSV)) == [version] * 2


def test_what_somebody_has_set_stays(runs: Path) -> None:
    nine, mine = logger(TENSORBOARD, version=9), logger("my.CSVLogger")
    remote = logger(TENSORBOARD, save_dir="s3://bucket")
    assert placed("fit", CKPT, nine, mine, True, remote, logger(CSV)) == [9, None, None, 3]
    assert placed("fit", None, nine, logger(CSV)) == [9, 9], "the others follow it"
    others = logger(TENSORBOARD, name="new"), logger(CSV, name="other")
    assert placed("fit", None, *others) == [8, 8], "a number that is free in all"
    for nothing in (None, True, False):
        trainer = Namespace(logger=nothing, default_root_dir=None)
        place_logs(trainer, "fit", CKPT, "")
        assert trainer.logger is nothing


THREE = "mine/version_3"
# The loggers, the checkpoint, and in which folders the run goes on.
GOES_ON: list[tuple[list[Namespace], str | None, list[str]]] = [
    ([logger(TENSORBOARD), logger(CSV), logger(PLAIN_CSV)], CKPT, [THREE]),
    ([logger(TENSORBOARD), logger(PLAIN_CSV, name="csv")], CKPT, [THREE, "csv/version_3"]),
    ([logger(TENSORBOARD, version=9), logger(CSV)], CKPT, [THREE]),
    ([logger(TENSORBOARD, version="version_3"), logger(PLAIN_CSV, version=3)], CKPT, [THREE]),
    ([logger(TENSORBOARD, version=3), logger(PLAIN_CSV, version=9)], CKPT, [THREE]),
    ([logger(TENSORBOARD), logger(PLAIN_CSV)], "runs/other/version_7/a.ckpt", []),
]


@pytest.mark.parametrize(("loggers", "ckpt", "folders"), GOES_ON)
def test_where_a_run_goes_on(
    loggers: list[Namespace], ckpt: str, folders: list[str], runs: Path
) -> None:
    trainer = Namespace(logger=[deepcopy(each) for each in loggers])
    with logs_placed(trainer, "fit", ckpt, "") as resumed:
        found = trainer.logger
    assert resumed == Resumed(5, 2, {runs / "runs" / folder for folder in folders})
    for each in found:
        version = each.init_args.version
        name = version if isinstance(version, str) else f"version_{version}"
        goes_on = f"{each.init_args.name}/{name}" in folders
        assert not (goes_on and each.class_path == PLAIN_CSV), "it would delete the rows"
    assert trainer.logger == loggers, "the config that is saved has none of it"


@pytest.mark.parametrize(("verb", "ckpt"), [("fit", None), ("validate", CKPT), ("fit", "hpc")])
def test_nothing_else_goes_on(verb: str, ckpt: str | None, runs: Path) -> None:
    trainer = Namespace(logger=[logger(PLAIN_CSV)])
    assert place_logs(trainer, verb, ckpt, "") is None
    assert trainer.logger[0].class_path == PLAIN_CSV


def test_the_default_logger_goes_on_too(runs: Path) -> None:
    trainer = Namespace(logger=None, default_root_dir="runs")
    resumed = place_logs(trainer, "fit", "runs/lightning_logs/version_2/a.ckpt", "")
    assert resumed == Resumed(5, 2, {runs / "runs" / "lightning_logs" / "version_2"})
    assert trainer.logger.init_args.version == 2
