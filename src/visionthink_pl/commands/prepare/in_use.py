"""One run at a time in a folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from visionthink_pl.types import ConfigError

IN_USE = ".in_use"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes out of the folder, which is made if necessary, while the context lasts.

    The lock is SQLite's on an empty file: it works on all platforms, and the system releases it
    when a process is killed.

    Raises:
        ConfigError: another process is in it, or the folder can't be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = sqlite3.connect(folder / IN_USE, timeout=0, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"out: can't write to {str(folder)!r}: {error}") from error
    with closing(lock):
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise ConfigError(f"out: can't write to {str(folder)!r}: {error}") from error
            raise ConfigError(
                f"out: another prepare is at work in {str(folder)!r}; wait for it, or choose "
                "another out folder"
            ) from error
        yield
