"""A contender in a process of its own: reads commands, writes what was measured.

``step`` times a step, ``flops`` counts one, ``peak`` tells the most memory since loading.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from bench.meter import Flops, Parts, now, peak, reset_peak
from bench.work import Work


class Worker:
    """Lets each step of a contender run under the next command."""

    def __init__(self, device: str) -> None:
        self._device, self._out = device, sys.stdout
        sys.stdout = sys.stderr  # what libraries print is not to be taken for an answer
        self._command, self._began = "", 0.0
        self._flops = Flops()
        self.parts = Parts(device)

    def ready(self) -> None:
        """The model is loaded: memory is counted from here."""
        self._base = reset_peak(self._device)
        self._answer({})

    def begin(self) -> None:
        """Wait for the command that the next step runs under."""
        self._command = sys.stdin.readline().strip()
        while self._command == "peak":
            self._answer({"bytes": peak(self._device) - self._base})
            self._command = sys.stdin.readline().strip()
        if not self._command:
            sys.exit()
        if self._command == "flops":
            self._flops.start()
        self.parts.seconds.clear()
        self._began = now(self._device)

    def end(self) -> None:
        """The step is done."""
        took = now(self._device) - self._began
        if self._command == "flops":
            self._answer({"flops": self._flops.stop()})
        else:
            self._answer({"s": took, "parts": dict(self.parts.seconds)})

    def _answer(self, values: dict[str, Any]) -> None:
        print(json.dumps(values), file=self._out, flush=True)


def main(name: str, folder: Path, threads: int, work: Work) -> None:
    torch.set_num_threads(threads)
    worker = Worker(work.device)
    if name == "trl":
        from bench import trl_peer

        trainer = trl_peer.trainer(work, folder, worker.begin, worker.end)
        worker.ready()
        trainer.train()
        return
    from bench import naive, ours

    contender = (ours if name == "ours" else naive).Contender(work, folder, worker.parts)
    worker.ready()
    while True:
        worker.begin()
        contender.step()
        worker.end()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Work(**json.loads(sys.argv[4])))
