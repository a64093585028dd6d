"""Reading a whole source before anything is spent on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from visionthink_pl.data.bad_rows import usable
from visionthink_pl.data.source import Source
from visionthink_pl.types import UnreadableSample, VQASample

THREADS = min(16, os.cpu_count() or 1)
AHEAD = 4 * THREADS  # rows in memory at once


def read_all(source: Source) -> Iterator[VQASample | UnreadableSample]:
    """Every row in order, decoded in several threads, with a bar on a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("reading the training rows"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
    with ThreadPoolExecutor(THREADS) as pool, bar:
        task = bar.add_task("", total=len(source))
        for start in range(0, len(source), AHEAD):
            some = range(start, min(start + AHEAD, len(source)))
            for row in pool.map(source.__getitem__, some):
                yield usable(row)
            bar.update(task, completed=some.stop)
