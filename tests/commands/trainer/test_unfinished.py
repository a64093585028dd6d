"""A run that was killed is named at the next start, and only then."""

import json
import os
import socket
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import Namespace
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.demos.boring_classes import BoringModel

from trainer_helpers import make_trainer
from visionthink_pl.commands.trainer.run_folder import TENSORBOARD, say_if_killed
from visionthink_pl.commands.trainer.unfinished import MARK, RunMark, killed


@pytest.fixture(scope="module")
def gone() -> int:
    """The number of a process that is over."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def run(folder: Path, content: Any, checkpoint: bool = True) -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    if checkpoint:
        (folder / "checkpoints" / "a.ckpt").touch()
    (folder / MARK).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def by(process: int, host: str = socket.gethostname()) -> dict[str, Any]:
    return {"host": host, "process": process}


def test_which_runs_were_killed(tmp_path: Path, gone: int) -> None:
    assert killed([run(tmp_path / "killed", by(gone))])
    assert killed([tmp_path / "other logger", tmp_path / "killed"])
    assert killed([run(tmp_path / "as it wrote", '{"host": ')])
    assert not killed([run(tmp_path / "trains", by(os.getpid()))])
    assert not killed([run(tmp_path / "elsewhere", by(gone, "another"))])
    assert not killed([run(tmp_path / "nothing saved", by(gone), checkpoint=False)])
    (tmp_path / "ended").mkdir()
    assert not killed([tmp_path / "ended"])


class Stops(Callback):
    """Raises an error if it is to, once it has looked for the mark."""

    def __init__(self, fails: bool) -> None:
        self._fails, self.marked = fails, False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.marked = Path(trainer.default_root_dir, MARK).is_file()
        if self._fails:
            raise KeyError


def test_the_mark_goes_when_the_run_ends_by_itself(tmp_path: Path) -> None:
    for fails in (False, True):
        stops = Stops(fails)
        trainer = make_trainer(tmp_path, RunMark(), stops, limit_train_batches=1)
        with pytest.raises(KeyError) if fails else nullcontext():
            trainer.fit(BoringModel())
        assert stops.marked and not (tmp_path / MARK).exists()


@pytest.mark.parametrize("newest", ["killed", "ended"])
def test_the_next_start_says_how_to_go_on(
    newest: str, tmp_path: Path, gone: int, caplog: pytest.LogCaptureFixture
) -> None:
    run(tmp_path / "mine" / "version_0", by(gone))
    if newest == "ended":
        (tmp_path / "mine" / "version_1").mkdir()
    settings = Namespace(save_dir=str(tmp_path), name="mine", version=None)
    with caplog.at_level("INFO"):
        say_if_killed(Namespace(logger=[Namespace(class_path=TENSORBOARD, init_args=settings)]))
    said = f"{tmp_path}/mine/version_0 was killed; --ckpt_path last goes on with it."
    assert (said in caplog.text) == (newest == "killed")
