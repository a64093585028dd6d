"""The process that ``math-verify`` runs in: any thread may ask, and a hang can be ended.

The library's own timeouts go by the clock, so that a verdict would depend on what else the machine
does, and wait for as long as one step in C takes. A process of its own can be limited by processor
time, and ended at any moment. It is a plain child, not one of ``multiprocessing``: that would run
the user's script once more.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

WORKER = Path(__file__).with_name("math_worker.py")
STUCK_S = 900.0  # by the clock: for a child that stands still; no limit for one that works


class Undecided(Exception):
    """Equality is undecided: it took too long, or the process ended."""


class MathProcess:
    """Compares one pair at a time, in a child that starts with the first one and is kept.

    Args:
        limit_s: seconds of processor time that one pair may take.
    """

    def __init__(self, limit_s: float = 5.0) -> None:
        self.limit_s = limit_s
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None

    def equal(self, answer: str, truth: str) -> bool:
        """Whether the child says yes.

        Raises:
            Undecided: it ended before it said anything, mostly since the pair took too long.
            RuntimeError: the child could not be started.
        """
        with self._lock:
            reply = _ask(self._running(), json.dumps([answer, truth, self.limit_s]))
            if not reply:
                self._drop()  # it may still be ending, and would take the next pair with it
        if not reply:
            raise Undecided(f"no verdict within {self.limit_s} s of processor time")
        return reply == "yes"

    def stop(self) -> None:
        """End the child, if there is one; the next pair starts another."""
        with self._lock:
            self._drop()

    def _running(self) -> subprocess.Popen[str]:
        if self._child is None or self._child.poll() is not None:
            self._drop()
            # -P: beside the worker lies a numbers.py, which is not the standard library's.
            command = [sys.executable, "-P", str(WORKER)]
            pipe = subprocess.PIPE
            self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
            if _ask(self._child) != "ready":
                raise RuntimeError("math-verify could not be started: its own words stand above")
        return self._child

    def _drop(self) -> None:
        """End the child and close its pipes; unsent input is dropped."""
        if self._child is not None:
            with suppress(OSError), self._child:
                self._child.kill()
            self._child = None


def _ask(child: subprocess.Popen[str], line: str | None = None) -> str:
    """The child's one line of reply, or its first word; empty where it has ended."""
    assert child.stdin is not None and child.stdout is not None
    timer = threading.Timer(STUCK_S, _end, [child])
    timer.start()
    try:
        if line is not None:
            print(line, file=child.stdin, flush=True)
        return child.stdout.readline().strip()
    except OSError:  # it ended before it had read the line
        return ""
    except BaseException:  # interrupted, and the next pair would be given this one's reply
        _end(child)
        raise
    finally:
        timer.cancel()
        timer.join()  # a timer that went off just now has ended the child by then


def _end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.wait()
