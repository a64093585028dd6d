"""Runs that were killed, and how the next start says so."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MARK = "running.json"  # in a run's folder while it trains


@contextmanager
def marked(folder: Path, writes: bool) -> Iterator[None]:
    """Within, a file says that this process trains here; a kill leaves it behind.

    Args:
        folder: of the run.
        writes: whether this process is the one that says so.
    """
    if not writes:
        yield
        return
    mark = folder / MARK
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(json.dumps({"host": socket.gethostname(), "process": os.getpid()}))
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


def killed(folders: Sequence[Path]) -> bool:
    """Whether a run was killed and can go on: it is still marked, its process is gone, and there
    is a checkpoint. Of another machine's process nothing is known.

    Args:
        folders: of one run, one for each logger.
    """
    for mark in (folder / MARK for folder in folders):
        if not mark.is_file():
            continue
        try:
            who = json.loads(mark.read_text(encoding="utf-8"))
            host, process = who["host"], int(who["process"])
        except (ValueError, TypeError, KeyError):  # killed as it was written
            host, process = socket.gethostname(), 0
        saved = any(any(folder.glob("checkpoints/*.ckpt")) for folder in folders)
        return saved and host == socket.gethostname() and not _lives(process)
    return False


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return process > 0
