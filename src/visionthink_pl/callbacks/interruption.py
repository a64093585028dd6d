"""Ctrl-C stops a run where no work is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from visionthink_pl.types import RunStopped

REASON = "stopped by Ctrl-C"


class Interruption:
    """Stops a run in the middle of a rollout, or else before the next one: during an update
    weights are half changed. Ctrl-C once more is Python's own."""

    def __init__(self) -> None:
        self._before: Any = None  # the handler that was there
        self._asked = self._harmless = False

    def watch(self) -> None:
        """Begin to listen, where that is possible, in the main thread, and meant: what was started
        in the background ignores Ctrl-C. Not before training starts: Lightning puts back at the
        end the handlers that it has found by then."""
        self.ignore()
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        if threading.current_thread() is threading.main_thread() and not ignored:
            self._asked, self._before = False, signal.signal(signal.SIGINT, self._heed)

    def ignore(self) -> None:
        """Restore the previous handler."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    @contextmanager
    def harmless(self) -> Iterator[None]:
        """Within, Ctrl-C stops the run at once.

        Raises:
            RunStopped: somebody has asked for it.
        """
        if self._asked:
            raise RunStopped(REASON)
        self._harmless = True
        try:
            yield
        finally:
            self._harmless = False

    def _heed(self, *_: Any) -> None:
        self.ignore()
        if self._harmless:
            raise RunStopped(REASON)
        self._asked = True
        say("The run stops before the next rollout. Ctrl-C once more: at once, with no checkpoint.")


@rank_zero_only
def say(text: str) -> None:
    """Print below the progress bar."""
    print(f"\n{text}", flush=True)
