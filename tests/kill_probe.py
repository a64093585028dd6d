"""What a run did, and what it is doing, for ``kill_runs.py``."""

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from visionthink_pl.callbacks import group_sampler
from visionthink_pl.callbacks.group_sampler import GroupSampler
from visionthink_pl.callbacks.screening import Screening
from visionthink_pl.module.whole_files import WholeCheckpointIO
from visionthink_pl.training import PolicyUpdate

LONGEST = 16  # bytes of a phase's name


class KillProbe(Callback):
    """Writes a line for each training batch and each validation, and the phase at hand.

    Args:
        folder: where ``events-0.jsonl`` and ``phase-0`` go, of rank 0.
    """

    def __init__(self, folder: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT
        rank = os.environ.get("LOCAL_RANK", "0")
        self._events = os.open(Path(folder, f"events-{rank}.jsonl"), flags | os.O_APPEND)
        self._phase = os.open(Path(folder, f"phase-{rank}"), flags)
        self._evaluates = ""
        self._within(Screening, "check", "screening")
        self._within(GroupSampler, "_sample", "rollout")
        self._within(group_sampler, "score_groups", "judging")
        self._within(PolicyUpdate, "run", "update")
        self._within(PolicyUpdate, "_step", "step", after="stepped")
        self._within(WholeCheckpointIO, "save_checkpoint", "writing")

    def _within(self, owner: Any, name: str, phase: str, after: str = "between") -> None:
        plain: Callable[..., Any] = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self._say(phase)
            try:
                return plain(*args, **kwargs)
            finally:
                self._say(after)

        setattr(owner, name, wrapped)

    def _say(self, phase: str) -> None:
        phase = self._evaluates or phase
        os.pwrite(self._phase, phase.ljust(LONGEST).encode(), 0)

    def _write(self, event: dict[str, Any]) -> None:
        os.write(self._events, json.dumps(event).encode() + b"\n")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        groups = batch.rollouts.groups
        turns = [turn for group in groups for t in group.trajectories for turn in t.turns]
        trained = [p for p in pl_module.parameters() if p.requires_grad]
        self._write(
            {
                "draw": batch.rollouts.draw,
                "samples": [group.sample.id for group in groups],
                "ids": _digest(repr([turn.generated_ids for turn in turns])),
                "logprobs": _digest(repr([turn.logprobs for turn in turns])),
                "rewards": _digest(repr([group.rewards for group in groups])),
                "weights": _digest(*(p.detach().numpy().tobytes() for p in trained)),
            }
        )

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._evaluates = "validation" if trainer.state.fn == "fit" else "before"

    def on_validation_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self._draw = args[3].rollouts.draw

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._evaluates == "validation":
            figures = {n: float(v) for n, v in trainer.callback_metrics.items() if "val/" in n}
            self._write(
                {"validated": self._draw, "figures": _digest(repr(sorted(figures.items())))}
            )
        self._evaluates = ""


def _digest(*parts: str | bytes) -> str:
    found = sha256()
    for part in parts:
        found.update(part.encode() if isinstance(part, str) else part)
    return found.hexdigest()
