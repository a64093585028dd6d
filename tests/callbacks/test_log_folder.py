"""Each run has a folder of its own, whatever it logs to."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from visionthink_pl.callbacks.log_folder import log_folder


class Tracker:
    """A logger without a folder for each run."""

    def __init__(self, save_dir: str | None, name: str, version: str | int) -> None:
        self.save_dir, self.name, self.version = save_dir, name, version


@pytest.mark.parametrize(
    ("loggers", "folder"),
    [
        ([], "root"),
        ([TensorBoardLogger("runs", "mine", 3)], "runs/mine/version_3"),
        ([CSVLogger("runs", "mine", 3), TensorBoardLogger("other")], "runs/mine/version_3"),
        ([Tracker("runs", "project", "u8m9jvwi")], "runs/project/u8m9jvwi"),  # as W&B's
        ([Tracker(None, "1", "4f6b90")], "root/1/4f6b90"),  # as MLflow's, over a server
        ([Tracker("runs", "x", 2)], "runs/x/version_2"),
    ],
)
def test_the_folder_of_a_run(loggers: list[Any], folder: str) -> None:
    strategy = SimpleNamespace(broadcast=lambda value: value)
    trainer: Any = SimpleNamespace(loggers=loggers, default_root_dir="root", strategy=strategy)
    assert log_folder(trainer) == Path(folder)
