"""Ends a run of several processes where one of them no longer answers.

Waiting is no sign of it: a process may wait for a judge for an hour, and the others for it. So a
thread in each says every few seconds that the process lives, whatever its main thread waits for.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress

from lightning import Callback, LightningModule, Trainer

from visionthink_pl.internals.ranks_store import shared_store

EVERY_S = 3.0  # between two signs of life
LIMIT_S = 40.0  # without one; a machine that sleeps stops all of them alike
LATER_S = 5.0  # that others leave the first process to say it
THREAD = "heartbeat"
KEY, DONE = "visionthink_pl/alive", "done"


class Heartbeat(Callback):
    """Looks after the other processes while a fit trains; with one process it does nothing."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.world_size == 1:
            return
        self._ended = threading.Event()
        heard = Heard(trainer.global_rank, trainer.world_size)
        for target in (self._beat, self._watch):
            threading.Thread(None, target, THREAD, (heard, trainer), daemon=True).start()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._ended.set()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._ended.set()

    def _beat(self, heard: Heard, trainer: Trainer) -> None:
        """Say that this process lives, and hear the others; hangs where the first one does."""
        store, beats, own = shared_store(), 0, f"{KEY}/{trainer.global_rank}"
        with suppress(RuntimeError):  # the first process, which holds it, has ended
            while not self._ended.wait(EVERY_S):
                beats += 1
                store.set(own, str(beats))
                for rank in heard.others:
                    if store.check([f"{KEY}/{rank}"]):
                        heard.hear(rank, store.get(f"{KEY}/{rank}").decode())
            store.set(own, DONE)

    def _watch(self, heard: Heard, trainer: Trainer) -> None:
        while not self._ended.wait(EVERY_S):
            silent = heard.silent()
            if silent is None:
                continue
            if trainer.global_rank:
                time.sleep(LATER_S)
            if trainer.global_rank == (0 if silent else 1):
                say(silent)
            launcher = trainer.strategy.launcher
            if launcher is not None:
                launcher.kill(signal.SIGKILL)
            os._exit(1)  # the main thread may wait in a collective for ever


class Heard:
    """When each other process was last heard.

    Args:
        own: rank of this process.
        count: of all processes.
    """

    def __init__(self, own: int, count: int) -> None:
        self.others = [rank for rank in range(count) if rank != own]
        self._last = dict.fromkeys(self.others, ("", time.monotonic()))

    def hear(self, rank: int, sign: str) -> None:
        """A sign of life, if it is another one than the last."""
        if sign != self._last[rank][0]:
            self._last[rank] = sign, time.monotonic()

    def silent(self) -> int | None:
        """The first process that has given no sign for too long. All are silent where the first
        one is, which passes the signs on."""
        for rank, (sign, heard) in self._last.items():
            if sign != DONE and time.monotonic() - heard > LIMIT_S:
                return rank
        return None


def say(silent: int) -> None:
    """Print why the run ends."""
    print(
        f"error: process {silent} has not answered for {LIMIT_S:.0f} s, and the run ends; "
        "--ckpt_path last goes on from the last checkpoint",
        file=sys.stderr,
        flush=True,
    )
