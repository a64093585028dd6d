"""Samples made prefetcher: what is made when, by whom, and what comes of a fault."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch

from visionthink_pl.data.prefetching import Prefetcher, Workers

WAIT = 20  # seconds, for what takes none


@pytest.fixture(params=[0, 1, 3])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    made = Workers(request.param)
    yield made
    made.stop()


class Made:
    """Makes tenfold numbers, and notes which and in which threads."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.threads: set[str] = set()

    def __call__(self, number: int) -> int:
        self.numbers.append(number)
        self.threads.add(threading.current_thread().name)
        return 10 * number


def wait_for(met: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not met() and time.monotonic() < end:
        time.sleep(0.01)
    assert met()


def test_the_same_items_in_the_same_order_however_many_make_them(workers: Workers) -> None:
    made = Made()
    prefetcher = Prefetcher(made, workers)
    orders = [[4, 1, 7], [2, 9], [5], []]
    found = [prefetcher.get(now, then) for now, then in zip(orders, [*orders[1:], []], strict=True)]
    assert found == [[40, 10, 70], [20, 90], [50], []]
    assert sorted(made.numbers) == [1, 2, 4, 5, 7, 9]  # each once


def test_the_next_ones_are_made_before_they_are_asked_for() -> None:
    made, workers = Made(), Workers(2)
    assert Prefetcher(made, workers).get([1], [2, 3]) == [10]
    wait_for(lambda: sorted(made.numbers) == [1, 2, 3])
    assert all(name.startswith("loader") for name in made.threads)
    workers.stop()


def test_without_workers_nothing_is_made_ahead_nor_elsewhere() -> None:
    made = Made()
    prefetcher = Prefetcher(made, Workers(0))
    prefetcher.get([1], [2])
    assert made.numbers == [1]
    assert prefetcher.get([2], []) == [20]
    assert made.threads == {threading.current_thread().name}


def test_what_comes_otherwise_than_announced_is_made_all_the_same(workers: Workers) -> None:
    prefetcher = Prefetcher(Made(), workers)
    prefetcher.get([1], [2])
    assert prefetcher.get([3, 2], []) == [30, 20]
    assert prefetcher.get([2], []) == [20]


def test_a_fault_comes_out_where_the_item_is_asked_for_and_spoils_no_other(
    workers: Workers,
) -> None:
    def half(number: int) -> float:
        return 6 / number

    prefetcher = Prefetcher(half, workers)
    assert prefetcher.get([1, 2], [0, 3]) == [6, 3]
    with pytest.raises(ZeroDivisionError):
        prefetcher.get([0, 3], [6])
    assert prefetcher.get([6], []) == [1]


def test_workers_take_one_core_each_and_leave_the_caller_its_own() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    workers = Workers(3)
    try:
        own = [make() for make in workers.start([torch.get_num_threads] * 9)]
        assert own == [1] * 9
        assert torch.get_num_threads() == 2
        elsewhere: list[int] = []  # a thread that has nothing to do with the loader
        thread = threading.Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert elsewhere == [2]
    finally:
        workers.stop()
        torch.set_num_threads(before)


def test_workers_that_have_ended_begin_again() -> None:
    workers, made = Workers(2), Made()
    for _ in range(2):
        assert Prefetcher(made, workers).get([1], []) == [10]
        workers.stop()
