"""Requests that wait, answered together: one generation at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from visionthink_pl.commands.serve.chat_request import ChatRequest
from visionthink_pl.commands.serve.refusal import RequestRefused
from visionthink_pl.types import Group

Answer = Callable[[Sequence[ChatRequest]], list[Group | RequestRefused]]


@dataclass(frozen=True)
class _Job:
    request: ChatRequest
    future: Future[Group] = field(default_factory=Future)


class Waiting:
    """Hands requests to ``answer`` in a thread of its own, those alike together.

    Args:
        answer: requests of one temperature and length.
        rows: requests at once, at most.
        most_pixels: of their images together, at most.
        most: requests that may wait.
    """

    def __init__(self, answer: Answer, rows: int, most_pixels: int, most: int) -> None:
        self._answer, self._rows = answer, rows
        self._most_pixels, self._most = most_pixels, most
        self._jobs: list[_Job] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="answers", daemon=True).start()

    def submit(self, request: ChatRequest) -> Future[Group]:
        """Queue a request.

        Raises:
            RequestRefused: too many wait.
        """
        job = _Job(request)
        with self._changed:
            if len(self._jobs) >= self._most:
                raise RequestRefused(
                    f"{self._most} requests wait already; try again later",
                    status=429,
                    code="rate_limit_exceeded",
                )
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs)
                jobs = self._next()
            self._finish([job for job in jobs if job.future.set_running_or_notify_cancel()])

    def _next(self) -> list[_Job]:
        """The first that waits, and those behind it that can be answered beside it."""
        taken, pixels = [self._jobs.pop(0)], 0
        first = taken[0].request
        pixels = first.pixels
        for job in list(self._jobs):
            own = job.request
            alike = (own.temperature, own.max_new_tokens) == (
                first.temperature,
                first.max_new_tokens,
            )
            if alike and len(taken) < self._rows and pixels + own.pixels <= self._most_pixels:
                self._jobs.remove(job)
                taken.append(job)
                pixels += own.pixels
        return taken

    def _finish(self, jobs: Sequence[_Job]) -> None:
        if not jobs:
            return
        try:
            found = self._answer([job.request for job in jobs])
        except Exception as error:  # of the user's tool, or for want of memory
            logging.getLogger(__name__).exception("%d requests were not answered", len(jobs))
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
            else:
                for job in jobs:  # one of them may be at fault
                    self._finish([job])
            return
        for job, group in zip(jobs, found, strict=True):
            if isinstance(group, RequestRefused):
                job.future.set_exception(group)
            else:
                job.future.set_result(group)
