"""Checks before a run."""

import importlib
import sys
from pathlib import Path

import pytest
from lightning import Callback
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.commands.trainer.run_checks import check_monitored, figures_of, missing_package
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.types import ConfigError

QUICKSTART = str(Path(__file__).parents[3] / "configs" / "quickstart.yaml")
SMALL = ("--data.train.length=40", "--data.validation.length=20", "--trainer.limit_val_batches=1")
PARTS = ("accuracy", "format", "resize_penalty")


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


def logger(name: str, folder: str) -> str:
    path = f"lightning.pytorch.loggers.{name}"
    return f"--trainer.logger={{class_path: {path}, init_args: {{save_dir: {folder}}}}}"


def callback(name: str, **options: str) -> str:
    given = ", ".join(f"{key}: {value}" for key, value in options.items())
    path = f"lightning.pytorch.callbacks.{name}"
    return f"--trainer.callbacks=[{{class_path: {path}, init_args: {{{given}}}}}]"


# Arguments, and what the one line must say.
REFUSED = [
    ([logger("CSVLogger", "file")], "trainer.logger: CSVLogger.save_dir: 'file' can't be a folder"),
    ([logger("CSVLogger", "file/logs")], "CSVLogger.save_dir: 'file/logs' can't be a folder: "),
    ([logger("TensorBoardLogger", "file")], "TensorBoardLogger.save_dir: 'file' can't be a folder"),
    (
        ["--trainer.logger=false", "--trainer.default_root_dir=file"],
        "trainer.default_root_dir: 'file' can't be a folder: ",
    ),
    (["--trainer.default_root_dir=file", "--trainer.logger=true"], "can't be a folder: "),
    (
        ["--trainer.logger=false", callback("ModelCheckpoint", dirpath="file")],
        "trainer.callbacks: ModelCheckpoint.dirpath: ",
    ),
    (
        ["--trainer.logger={class_path: lightning.pytorch.loggers.WandbLogger}"],
        "trainer.logger: WandbLogger needs a package that is not installed: ",
    ),
    (
        ["--trainer.logger=[{class_path: lightning.pytorch.loggers.MLFlowLogger}]"],
        "trainer.logger[0]: MLFlowLogger: Requirement 'mlflow",
    ),
    (
        ["--trainer.logger=false", callback("EarlyStopping", monitor="val/acc")],
        "EarlyStopping.monitor: 'val/acc' is never logged by this run; did you mean val/accuracy",
    ),
    (
        ["--trainer.logger=false", callback("ModelCheckpoint", monitor="val_accuracy")],
        "ModelCheckpoint.monitor: 'val_accuracy' is never logged by this run; did you mean val/acc",
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
        ["--trainer.logger=false", callback("LearningRateMonitor")],
        "LearningRateMonitor writes to a logger, and trainer.logger is false",
    ),
]


@pytest.mark.parametrize(("args", "phrase"), REFUSED)
def test_refused_before_the_weights_are_loaded(
    args: list[str], phrase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "--config", QUICKSTART, *SMALL, *args]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and phrase in errors[0]


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


def test_monitored_metrics_are_not_checked_beside_a_user_s_callbacks() -> None:
    waiting = EarlyStopping(monitor="mine")
    with pytest.raises(ConfigError):
        check_monitored([waiting], ["val/accuracy"])
    check_monitored([waiting, Logs()], ["val/accuracy"])
    check_monitored([ModelCheckpoint()], [])


def test_accuracy_is_not_logged_without_such_a_reward() -> None:
    module = VisionThinkModule(kinds=("digit",))
    assert "val/accuracy/digit" in figures_of(module, PARTS, True)
    assert not any("accuracy" in name for name in figures_of(module, ("format",), True))
    assert not any(name.startswith("val/") for name in figures_of(module, PARTS, False))


def test_a_failed_import_of_no_class_in_the_config_is_a_bug() -> None:
    try:
        importlib.import_module("no_such_package")
    except ImportError as error:
        assert missing_package(error, {"a": {"class_path": "b.C"}}) is None


def test_an_existing_folder() -> None:
    Path("logs").mkdir()
    with pytest.raises(AboutToLoad):
        main(["fit", "--config", QUICKSTART, *SMALL, logger("CSVLogger", "logs")])
