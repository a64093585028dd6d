"""What a process holds while it trains, written down for ``integration/test_soak.py``."""

import gc
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

PAGE = os.sysconf("SC_PAGE_SIZE")


class SoakProbe(Callback):
    """Writes resident memory, threads, open files, processor time so far and that of a fixed piece
    of work, a JSON line each so many batches.

    Args:
        file: where to.
        every: batches between two lines.
    """

    def __init__(self, file: str, every: int) -> None:
        self._file, self._every = Path(file), every
        self._spent = 0.0  # on the fixed work

    def _fixed_work(self) -> float:
        """Seconds that the same work takes now: others on the machine slow down both."""
        began, matrix = time.process_time(), torch.ones(256, 256)
        for _ in range(400):
            matrix = (matrix @ matrix).tanh()
        took = time.process_time() - began
        self._spent += took
        return took

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % self._every:
            return
        gc.collect()
        line = {
            "steps": trainer.global_step,
            "resident": int(Path("/proc/self/statm").read_text().split()[1]) * PAGE,
            "threads": threading.active_count(),
            "files": len(os.listdir("/proc/self/fd")),
            "seconds": time.process_time() - self._spent,
            "fixed": self._fixed_work(),
        }
        with self._file.open("a") as file:
            file.write(json.dumps(line) + "\n")
