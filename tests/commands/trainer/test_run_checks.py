"""Checks before a run."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.commands.trainer.run_checks import (
    check_folders,
    check_monitored,
    figures_of,
    missing_package,
)
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.types import ConfigError

QUICKSTART = str(Path(__file__).parents[3] / "configs" / "quickstart.yaml")
SMALL = ("--data.train.length=40", "--data.validation.length=20", "--trainer.limit_val_batches=1")
PARTS = ("accuracy", "format", "resize_penalty")
TOOLS = ("resize_image",)


class AboutToLoad(Exception):
    """Raised where the weights would be loaded."""


def stop(*args: object) -> None:
    raise AboutToLoad


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    monkeypatch.setattr("visionthink_pl.module.module.load_policy", stop)
    Path("file").touch()


def callback(name: str, **options: str) -> str:
    given = ", ".join(f"{key}: {value}" for key, value in options.items())
    path = f"lightning.pytorch.callbacks.{name}"
    return f"--trainer.callbacks=[{{class_path: {path}, init_args: {{{given}}}}}]"


LOGGERS = "lightning.pytorch.loggers"
# Arguments, and what the one line must say: a row for each check.
REFUSED = [
    (
        ["--trainer.logger=false", "--trainer.default_root_dir=file"],
        "trainer.default_root_dir: 'file' can't be a folder: ",
    ),
    (
        ["--trainer.callbacks=[AdapterCheckpoint, {class_path: AdapterCheckpoint}]"],
        "two AdapterCheckpoint that a checkpoint can't tell apart",
    ),
    (
        ["--trainer.logger=false", callback("LearningRateMonitor")],
        "LearningRateMonitor writes to a logger, and trainer.logger is false",
    ),
    (
        [
            "--trainer.logger=false",
            "--data.validation=null",
            callback("EarlyStopping", monitor="val/accuracy"),
        ],
        "EarlyStopping.monitor: 'val/accuracy' is never logged by this run",
    ),
    (
        [f"--trainer.logger={{class_path: {LOGGERS}.CometLogger}}"],
        "trainer.logger: CometLogger needs a package that is not installed: ",
    ),
    (
        [f"--trainer.logger=[{{class_path: {LOGGERS}.MLFlowLogger}}]"],
        "trainer.logger[0]: MLFlowLogger: Requirement 'mlflow",
    ),
]


@pytest.mark.parametrize(("args", "phrase"), REFUSED)
def test_refused_before_the_weights_are_loaded(
    args: list[str], phrase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "--config", QUICKSTART, *SMALL, *args]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and phrase in errors[0]


# Options of a trainer, and the key of the folder that can't be one.
FOLDERS: list[tuple[Callable[[], dict[str, Any]], str]] = [
    (lambda: {"logger": CSVLogger("file")}, "trainer.logger: CSVLogger.save_dir: 'file'"),
    (lambda: {"logger": CSVLogger("file/logs")}, "trainer.logger: CSVLogger.save_dir: 'file/logs'"),
    (
        lambda: {"logger": TensorBoardLogger("file")},
        "trainer.logger: TensorBoardLogger.save_dir: 'file'",
    ),
    (lambda: {"logger": True, "default_root_dir": "file"}, "trainer.logger: "),
    (lambda: {"default_root_dir": "file"}, "trainer.default_root_dir: 'file'"),
    (
        lambda: {"callbacks": [ModelCheckpoint("file")]},
        "trainer.callbacks: ModelCheckpoint.dirpath: ",
    ),
    (
        lambda: {"logger": [CSVLogger("logs"), CSVLogger("file")]},
        "trainer.logger: CSVLogger.save_dir: 'file'",
    ),
]


@pytest.mark.parametrize(("options", "key"), FOLDERS)
def test_folders_that_can_t_be_written(options: Callable[[], dict[str, Any]], key: str) -> None:
    trainer = Trainer(**{"accelerator": "cpu", "logger": False} | options())
    with pytest.raises(ConfigError, match="can't be a folder: .*file' is a file") as refused:
        check_folders(trainer)
    assert str(refused.value).startswith(key)
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_folders_that_can() -> None:
    Path("logs").mkdir()
    Path("memory:").touch()  # an address is no path
    for folder in ("logs", "logs/new", "memory://logs"):
        check_folders(Trainer(accelerator="cpu", logger=CSVLogger(folder)))


def test_a_judge_without_its_extra_names_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for name in [name for name in sys.modules if name.startswith("visionthink_pl.rewards.judge")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openai", None)
    judge = (
        "{class_path: visionthink_pl.rewards.APIJudge, init_args: {base_url: 'http://x', model: m}}"
    )
    reward = f"{{class_path: visionthink_pl.rewards.HybridAccuracy, init_args: {{judge: {judge}}}}}"
    code = main(["fit", "--config", QUICKSTART, *SMALL, f"--rollout.rewards=[{reward}]"])
    (said,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert code == 2 and said.startswith("error: APIJudge needs openai, which is not"), said
    assert said.endswith("python -m pip install 'visionthink_pl[judge]'"), said


def test_a_logged_metric_may_be_monitored() -> None:
    args = ["--trainer.logger=false", callback("EarlyStopping", monitor="val/accuracy/digit")]
    with pytest.raises(AboutToLoad):
        main(["fit", "--config", QUICKSTART, *SMALL, *args])


class Logs(Callback):
    """Somebody's own callback, which may log what it likes."""


# What is monitored, and the names that are suggested in its place.
NEVER_LOGGED = [
    (
        EarlyStopping("val/acc"),
        "EarlyStopping.monitor: 'val/acc' is",
        "; did you mean val/accuracy",
    ),
    (ModelCheckpoint(monitor="val_accuracy"), "ModelCheckpoint.monitor: 'val_a", "val/accuracy"),
    (EarlyStopping("zzz"), "EarlyStopping.monitor: 'zzz' is never logged by this run (docs", ""),
]


@pytest.mark.parametrize(("monitoring", "begins", "near"), NEVER_LOGGED)
def test_metrics_that_are_never_logged(monitoring: Callback, begins: str, near: str) -> None:
    figures = figures_of(VisionThinkModule(kinds=("digit",)), PARTS, TOOLS, True)
    with pytest.raises(ConfigError) as refused:
        check_monitored([ModelCheckpoint(), monitoring], figures)
    assert str(refused.value).startswith(f"trainer.callbacks: {begins}")
    assert near in str(refused.value)
    check_monitored([EarlyStopping("val/accuracy/digit")], figures)


def test_monitored_metrics_are_not_checked_beside_a_user_s_callbacks() -> None:
    check_monitored([EarlyStopping(monitor="mine"), Logs()], ["val/accuracy"])


def test_accuracy_is_not_logged_without_such_a_reward() -> None:
    module = VisionThinkModule(kinds=("digit",))
    assert "val/accuracy/digit" in figures_of(module, PARTS, TOOLS, True)
    assert not any("accuracy" in name for name in figures_of(module, ("format",), TOOLS, True))
    assert not any(name.startswith("val/") for name in figures_of(module, PARTS, TOOLS, False))


def test_a_failed_import_of_no_class_in_the_config_is_a_bug() -> None:
    try:
        importlib.import_module("no_such_package")
    except ImportError as error:
        assert missing_package(error, {"a": {"class_path": "b.C"}}) is None
