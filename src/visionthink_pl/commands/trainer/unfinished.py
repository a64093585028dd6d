"""Runs that were killed, and how the next start says so."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from lightning import Callback, LightningModule, Trainer

from visionthink_pl.callbacks.log_folder import log_folder

MARK = "running.json"  # in a run's folder while it trains or is evaluated


class RunMark(Callback):
    """A file in the log folder says that this process works there; a kill leaves it behind."""

    def __init__(self) -> None:
        self._mark = Path()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write it: only now, as a logger warns of a folder that something is in already."""
        self._mark = log_folder(trainer) / MARK  # all ranks must ask
        if trainer.is_global_zero:
            self._mark.parent.mkdir(parents=True, exist_ok=True)
            self._mark.write_text(
                json.dumps({"host": socket.gethostname(), "process": os.getpid()})
            )

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.is_global_zero and self._mark.name:  # it was set up
            self._mark.unlink(missing_ok=True)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self.teardown(trainer, pl_module, "")


def killed(folders: Sequence[Path]) -> bool:
    """Whether a run was killed and can go on: it is still marked, its process is gone, and there
    is a checkpoint. Of another machine's process nothing is known.

    Args:
        folders: of one run, one for each logger.
    """
    saved = any(any(folder.glob("checkpoints/*.ckpt")) for folder in folders)
    marks = [folder for folder in folders if (folder / MARK).is_file()]
    return saved and bool(marks) and not is_in_use(marks[0])


def is_in_use(folder: Path) -> bool:
    """Whether a process may be at work in a folder. Of another machine's nothing is known."""
    mark = folder / MARK
    if not mark.is_file():
        return False
    try:
        who = json.loads(mark.read_text(encoding="utf-8"))
        host, process = who["host"], int(who["process"])
    except (ValueError, TypeError, KeyError):  # killed as it was written
        return False
    return host != socket.gethostname() or _lives(process)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return process > 0
