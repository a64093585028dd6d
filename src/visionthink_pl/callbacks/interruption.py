"""Signals stop a run where no work is lost: Ctrl-C, SIGTERM, and SLURM's before a time limit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import Trainer
from lightning.pytorch.utilities import rank_zero_only

from visionthink_pl.callbacks.log_folder import log_folder
from visionthink_pl.internals.lightning import requeue_signal
from visionthink_pl.training.ranks import rank_count
from visionthink_pl.types import RunStopped

SIGNALLED = 128  # and the signal's number: a shell's exit code


class Interruption:
    """Stops a run in the middle of a rollout; between passes of a batch's first optimizer step, in
    one process; or else before the next rollout: within an update weights are half changed.

    Ctrl-C once more is Python's own. SIGTERM goes on to the processes that Lightning has started.
    At SLURM's signal Lightning's own handler would save at once, wherever the run is; it is called
    when the run has stopped, and asks for the job to be queued again.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}  # the handlers that were there
        self._trainer: Trainer | None = None
        self._asked: int | None = None  # the signal
        self._harmless = False

    def watch(self, trainer: Trainer) -> None:
        """Begin to listen, where that is possible, in the main thread, and meant: what was started
        in the background ignores Ctrl-C. Not before a loop starts: Lightning puts back at the end
        the handlers that it has found by then."""
        self.ignore()
        self._trainer = trainer
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM, requeue_signal(trainer)):
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._heed)

    def ignore(self) -> None:
        """Restore the previous handlers, where nobody has put others in the place of ours."""
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._heed:
                signal.signal(number, handler)
        self._before = {}

    @contextmanager
    def harmless(self) -> Iterator[None]:
        """Within, a signal stops the run at once.

        Raises:
            RunStopped: somebody has asked for it.
        """
        self._stop_if_asked()
        self._harmless = True
        try:
            yield
        finally:
            self._harmless = False

    def between_passes(self) -> None:
        """Stop where weights have not changed since the rollout. Several processes, which may have
        different numbers of passes, agree after the next rollout instead.

        Raises:
            RunStopped: somebody has asked for it.
        """
        if rank_count() == 1:
            self._stop_if_asked()

    def end(self, trainer: Trainer, stopped: RunStopped, lost: str = "") -> None:
        """Write the checkpoint of a run that stops, say how to go on, and have SLURM queue it
        again where it has asked. Further signals than Ctrl-C change nothing by now.

        Args:
            trainer: that trained.
            stopped: why.
            lost: what is not in the checkpoint.
        """
        handlers, self._before = self._before, {}
        for number, handler in handlers.items():
            signal.signal(number, handler if number == signal.SIGINT else signal.SIG_IGN)
        path = log_folder(trainer) / "checkpoints" / "stopped.ckpt"
        trainer.save_checkpoint(path)
        say(f"The run has stopped{lost}. To go on, add --ckpt_path {path}")
        requeue = requeue_signal(trainer)
        if requeue in handlers and stopped.exit_code == SIGNALLED + requeue:
            handlers[requeue](requeue, None)

    def _heed(self, number: int, _: Any) -> None:
        assert self._trainer is not None
        if number == signal.SIGINT:
            signal.signal(number, self._before.pop(number))
        elif self._asked is not None:
            return
        launcher = self._trainer.strategy.launcher
        if number == signal.SIGTERM and launcher is not None:
            launcher.kill(number)
        self._asked = number
        if self._harmless:
            self._stop_if_asked()
        more = ". Ctrl-C once more: at once, with no checkpoint" if number == signal.SIGINT else ""
        say(f"{_name(number)}: the run stops where no work is lost{more}.")

    def _stop_if_asked(self) -> None:
        if self._asked is not None:
            asked, self._asked = self._asked, None
            raise RunStopped(f"stopped by {_name(asked)}", SIGNALLED + asked)


def _name(number: int) -> str:
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


@rank_zero_only
def say(text: str) -> None:
    """Print below the progress bar."""
    print(f"\n{text}", flush=True)
