"""The walk of one training batch through the package: which files it comes through, in which order.

    python tools/walk.py

Runs one batch of the quickstart, and lists each function of the package at its first call, within
the callback that samples and within the training step. A stay is a run of neighbours in one room; a
climb leads from a room back to one that imports it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

import visionthink_pl

PACKAGE = Path(visionthink_pl.__file__).parent
CONFIG = Path(__file__).parents[1] / "configs" / "quickstart.yaml"
PHASES = {"on_train_batch_start": "rollout and rewards", "training_step": "training step"}
# From what is imported by all to what imports all.
ROOMS = ("types", "internals", "images", "families", "visual_tools", "data", "policy", "rollout")
ROOMS += ("rewards", "losses", "training", "module", "callbacks", "commands")
ARGS = ["--data.validation", "null", "--trainer.limit_train_batches", "1", "--trainer.logger"]
ARGS += ["false", "--trainer.enable_checkpointing", "false", "--trainer.callbacks", "[]"]
ARGS += ["--data.workers", "0", "--data.prompts_per_step", "4", "--trainer.max_epochs", "1"]


class Walk:
    """Functions of the package at their first call within a phase, as (file, function)."""

    def __init__(self) -> None:
        self.phases: dict[str, list[tuple[str, str]]] = {}
        self._root: FrameType | None = None
        self._phase = ""

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame is self._root:
            self._root = None
        if event != "call" or PACKAGE not in Path(frame.f_code.co_filename).parents:
            return
        name = frame.f_code.co_name
        if self._root is None and name in PHASES and PHASES[name] not in self.phases:
            self._root, self._phase = frame, PHASES[name]
            self.phases[self._phase] = []
        if self._root is not None and not name.startswith("<"):
            step = str(Path(frame.f_code.co_filename).relative_to(PACKAGE)), name
            if step not in self.phases[self._phase]:
                self.phases[self._phase].append(step)


def stays(steps: Sequence[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """Neighbours in one file, with the functions that are called there."""
    for file, run in groupby(steps, key=lambda step: step[0]):
        yield file, [name for _, name in run]


def climbs(rooms: Sequence[str]) -> int:
    """How often the walk goes back to a room that imports the present one."""
    ranks = [ROOMS.index(room) for room in rooms]
    return sum(later > earlier for earlier, later in zip(ranks, ranks[1:], strict=False))


def main() -> None:
    from visionthink_pl.commands.trainer.cli import build_cli

    walk = Walk()
    with tempfile.TemporaryDirectory() as folder:
        args = ["fit", "--config", str(CONFIG), *ARGS, "--trainer.default_root_dir", folder]
        sys.setprofile(walk)
        try:
            build_cli(args)
        finally:
            sys.setprofile(None)
    for phase, steps in walk.phases.items():
        rooms = [room for room, _ in groupby(file.split("/")[0] for file, _ in steps)]
        print(
            f"{phase}: {len(rooms)} stays in {len(set(rooms))} rooms, {climbs(rooms)} climbs; "
            f"{len({file for file, _ in steps})} files"
        )
        for file, names in stays(steps):
            print(f"    {file}: {', '.join(names)}")


if __name__ == "__main__":
    main()
