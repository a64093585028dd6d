"""Look at many rows in threads, with a progress bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
THREADS = max(4, min(16, os.cpu_count() or 1))  # some wait for the disk while others think
AT_ONCE = 32  # rows that a thread is given to look at


def look_at(
    rows: Sequence[int], look: Callable[[int], T], quiet: bool = False
) -> Iterator[tuple[int, T]]:
    """Each row's number, in order, and what was found, in several threads.

    Args:
        rows: their numbers.
        look: what is found about one; to be called by any thread.
        quiet: no bar, which is otherwise drawn where there is a terminal.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("looking at the training rows"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    silent = quiet or not console.is_terminal
    parts = [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]
    pool = ThreadPoolExecutor(THREADS)
    with Progress(*columns, console=console, disable=silent, transient=True) as bar:
        task = bar.add_task("", total=len(rows))
        try:
            for part, found in zip(
                parts, pool.map(lambda part: [look(row) for row in part], parts), strict=True
            ):
                bar.advance(task, len(part))
                yield from zip(part, found, strict=True)
        finally:
            pool.shutdown(cancel_futures=True)
