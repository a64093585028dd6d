"""Checks of many rows in threads, with a progress bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
THREADS = max(4, min(16, os.cpu_count() or 1))  # some wait for the disk while others compute
CHUNK = 32  # rows that a thread checks in one task


def look_at(
    rows: Sequence[int], look: Callable[[int], T], quiet: bool = False
) -> Iterator[tuple[int, T]]:
    """Check rows in several threads. Yields each row's number and result, in order.

    Args:
        rows: numbers of the rows.
        look: checks one row, in any thread.
        quiet: draw no progress bar, even on a terminal.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("looking at the training rows"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    silent = quiet or not console.is_terminal
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    pool = ThreadPoolExecutor(THREADS)
    with Progress(*columns, console=console, disable=silent, transient=True) as bar:
        task = bar.add_task("", total=len(rows))
        try:
            results = pool.map(lambda chunk: [look(row) for row in chunk], chunks)
            for chunk, found in zip(chunks, results, strict=True):
                bar.advance(task, len(chunk))
                yield from zip(chunk, found, strict=True)
        finally:
            pool.shutdown(cancel_futures=True)
