"""Seconds by part, FLOPs, and peak memory."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


class Parts:
    """Seconds spent in named functions, each without what other named ones within it take."""

    def __init__(self, device: str) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._device = device
        self._stack: list[list[float]] = []
        self._closed = False

    def watch(self, owner: Any, name: str, part: str, closed: bool = False) -> None:
        """Count calls of ``owner.name`` under ``part``; a closed one keeps all within it."""
        function = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._closed:
                return function(*args, **kwargs)
            with self.of(part):
                self._closed = closed
                try:
                    return function(*args, **kwargs)
                finally:
                    self._closed = False

        setattr(owner, name, timed)

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Count what happens within under ``part``."""
        within = [0.0]
        self._stack.append(within)
        started = self._now()
        yield
        took = self._now() - started
        self._stack.pop()
        self.seconds[part] += took - within[0]
        if self._stack:
            self._stack[-1][0] += took

    def _now(self) -> float:
        return now(self._device)


def now(device: str) -> float:
    """Seconds on a clock, once all that was queued on the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


class Flops:
    """FLOPs between ``start`` and ``stop``, by torch's counter.

    Attention is counted as the plain products that it is: not every kernel has a formula in every
    release.
    """

    def start(self) -> None:
        self._counter = FlopCounterMode(display=False)
        self._stack = ExitStack()
        self._stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        self._stack.enter_context(self._counter)

    def stop(self) -> int:
        self._stack.close()
        return self._counter.get_total_flops()


def reset_peak(device: str) -> int:
    """Bytes in use now; the peak is counted from here on."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def peak(device: str) -> int:
    """Most bytes in use since ``reset_peak``: of the GPU, or resident (Linux)."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else _status("VmHWM")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")
