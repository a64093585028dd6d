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
    """Threads that make samples: decoding, resizing and the processor's work release Python's lock.

    Threads rather than processes: nothing is pickled, started anew or copied, whatever the source
    is made of, and there is no fork beside a GPU.

    Args:
        count: how many; with 0 everything is made when it is asked for, by who asks.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: ThreadPoolExecutor | None = None

    def begin(self, makes: Sequence[Callable[[], T]]) -> list[Callable[[], T]]:
        """Set the threads to work; what each made, or raised, its own function then gives."""
        if self._count and self._pool is None:
            self._pool = _pool(self._count)
        if self._pool is None:
            return list(makes)
        return [self._pool.submit(make).result for make in makes]

    def end(self) -> None:
        """Let go of the threads, and of what nobody has asked for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _pool(count: int) -> ThreadPoolExecutor:
    """Threads whose tensor operations take one core each. The number that torch is given holds for
    the thread that gives it, and for threads that ask for the first time later on: so all are
    started, then the caller's own number is given again."""
    own, all_here = torch.get_num_threads(), Barrier(count)
    pool = ThreadPoolExecutor(count, "loader", initializer=_take_one_core)
    list(pool.map(lambda _: all_here.wait(), range(count)))
    torch.set_num_threads(own)
    return pool


def _take_one_core() -> None:
    torch.get_num_threads()  # or the first operation of this thread would ask, and be told another
    torch.set_num_threads(1)


class Ahead(Generic[T]):
    """Prefetches items by their index.

    Args:
        make: an item, in any thread.
        workers: that make them.
    """

    def __init__(self, make: Callable[[int], T], workers: Workers) -> None:
        self._make, self._workers = make, workers
        self._begun: dict[int, Callable[[], T]] = {}

    def take(self, wanted: Sequence[int], then: Sequence[int]) -> list[T]:
        """The items wanted now; those that will be wanted ``then`` are begun, all else is let
        go of."""
        new = [key for key in dict.fromkeys([*wanted, *then]) if key not in self._begun]
        begun = self._workers.begin([partial(self._make, key) for key in new])
        items = self._begun | dict(zip(new, begun, strict=True))
        self._begun = {key: items[key] for key in then}
        return [items[key]() for key in wanted]
