"""Shows progress and the time left."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SPEED_OVER_S = 600  # speed of the last ten minutes, for the time left
SAY_EVERY_S = 30  # without a terminal


class Meter:
    """A progress bar with the time left; without a terminal, a line every ``SAY_EVERY_S``.

    Args:
        console: to print to.
        total: number of all samples.
        done: samples that an earlier run did.
    """

    def __init__(self, console: Console, total: int, done: int) -> None:
        self._console, self._total, self._done = console, total, done
        self._bar = Progress(
            TextColumn("rolling out"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("samples, left"),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=SPEED_OVER_S,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, completed=done)
        self._started = self._said = time.monotonic()
        self._start_done = done

    def advance(self, samples: int) -> None:
        """Add to the samples that are done."""
        self._done += samples
        self._bar.advance(self._task, samples)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._said >= SAY_EVERY_S:
            self._said = now
            self.say(f"{self._done} of {self._total} samples, {self._left(now)} left")

    def say(self, text: str) -> None:
        """Print a line, above the bar."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _left(self, now: float) -> str:
        speed = (self._done - self._start_done) / (now - self._started)
        if not speed:
            return "?"
        minutes, seconds = divmod(int((self._total - self._done) / speed), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"

    def __enter__(self) -> Meter:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
