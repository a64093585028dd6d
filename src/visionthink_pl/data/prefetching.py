"""Prefetching: threads prepare the next samples while the policy trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Generic, TypeVar

import torch

T = TypeVar("T")


class Workers:
    """Threads that prepare samples: decoding, resizing and the processor release Python's lock.

    Threads are used instead of processes: nothing has to be pickled, copied or started again,
    whatever the source consists of, and no process is forked beside a GPU.

    Args:
        count: number of threads; with 0 the caller does all work when it needs the result.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: ThreadPoolExecutor | None = None

    def start(self, tasks: Sequence[Callable[[], T]]) -> list[Callable[[], T]]:
        """Start tasks. Returns a function for each, which waits for the result or raises the
        error."""
        if self._count and self._pool is None:
            self._pool = _pool(self._count)
        if self._pool is None:
            return list(tasks)
        return [self._pool.submit(task).result for task in tasks]

    def stop(self) -> None:
        """End the threads and cancel tasks that have not started."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _pool(count: int) -> ThreadPoolExecutor:
    """Threads whose tensor operations use one core each. ``torch.set_num_threads`` applies to the
    thread that calls it and to threads that read the number for the first time afterwards. So all
    threads are started first, and then the caller's number is set again."""
    own, all_started = torch.get_num_threads(), Barrier(count)
    pool = ThreadPoolExecutor(count, "loader", initializer=_use_one_core)
    list(pool.map(lambda _: all_started.wait(), range(count)))
    torch.set_num_threads(own)
    return pool


def _use_one_core() -> None:
    torch.get_num_threads()  # otherwise the first operation of this thread would read a new number
    torch.set_num_threads(1)


class Prefetcher(Generic[T]):
    """Prefetches items by their index.

    Args:
        make: makes an item, in any thread.
        workers: that make the items.
    """

    def __init__(self, make: Callable[[int], T], workers: Workers) -> None:
        self._make, self._workers = make, workers
        self._started: dict[int, Callable[[], T]] = {}

    def get(self, indices: Sequence[int], upcoming: Sequence[int]) -> list[T]:
        """The items at ``indices``. Those at ``upcoming`` are started; all others are dropped."""
        asked = dict.fromkeys([*indices, *upcoming])
        new = [index for index in asked if index not in self._started]
        started = self._workers.start([partial(self._make, index) for index in new])
        items = self._started | dict(zip(new, started, strict=True))
        self._started = {index: items[index] for index in upcoming}
        return [items[index]() for index in indices]
