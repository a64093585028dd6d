"""The child process in which ``math-verify`` runs. Any thread may use it.

The library's own timeouts measure elapsed time, so a verdict would depend on the load of the
machine. They also can't interrupt a long step in C. A separate process can be limited by processor
time, and ended at any moment. It is not a process of ``multiprocessing``, which would run the
user's script again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

WORKER = Path(__file__).with_name("math_worker.py")
STUCK_S = 900.0  # elapsed time, for a child that does nothing; a working one has another limit


class Undecided(Exception):
    """It could not be decided whether a pair is equal: it took too long, or the process ended."""


class MathProcess:
    """Compares one pair at a time, in a child that is started for the first pair and kept.

    Args:
        limit_s: seconds of processor time that one pair may take.
    """

    def __init__(self, limit_s: float = 5.0) -> None:
        self.limit_s = limit_s
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None

    def equal(self, answer: str, truth: str) -> bool:
        """Whether the child finds the pair equal.

        Raises:
            Undecided: the child ended without a reply, usually because the pair took too long.
            RuntimeError: the child could not be started.
        """
        with self._lock:
            reply = _ask(self._running(), json.dumps([answer, truth, self.limit_s]))
            if not reply:
                self._drop()  # it may still be running and accept the next pair before it ends
        if not reply:
            raise Undecided(f"no verdict within {self.limit_s} s of processor time")
        return reply == "yes"

    def stop(self) -> None:
        """End the child, if there is one. The next pair starts another."""
        with self._lock:
            self._drop()

    def _running(self) -> subprocess.Popen[str]:
        if self._child is None or self._child.poll() is not None:
            self._drop()
            # -P: the worker's folder has a numbers.py, which would hide that of Python.
            command = [sys.executable, "-P", str(WORKER)]
            pipe = subprocess.PIPE
            self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
            if _ask(self._child) != "ready":
                raise RuntimeError("math-verify could not be started: its own words stand above")
        return self._child

    def _drop(self) -> None:
        """End the child and close its pipes; input that was not sent is dropped."""
        if self._child is not None:
            with suppress(OSError), self._child:
                self._child.kill()
            self._child = None


def _ask(child: subprocess.Popen[str], line: str | None = None) -> str:
    """The child's reply, of one line; without ``line`` its first one. Empty if it has ended."""
    assert child.stdin is not None and child.stdout is not None
    timer = threading.Timer(STUCK_S, _end, [child])
    timer.start()
    try:
        if line is not None:
            print(line, file=child.stdin, flush=True)
        return child.stdout.readline().strip()
    except OSError:  # the child ended before it read the line
        return ""
    except BaseException:  # interrupted: otherwise the next pair would get the reply to this one
        _end(child)
        raise
    finally:
        timer.cancel()
        timer.join()  # if the timer has just fired, wait until it has ended the child


def _end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.wait()
