"""What each process of a run did, written down for ``integration/test_ranks.py``."""

import os
import signal
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from visionthink_pl.types import PromptBatch

DIED = "died"  # a file that is as old as the death of the rank that dies


class RanksProbe(Callback):
    """Writes samples, ids, gradients and metrics of a rank into a folder when training ends.

    Args:
        folder: where ``rank-0.pt`` and so on go.
        dies_in: the batch at whose start the last rank is killed.
    """

    def __init__(self, folder: str, dies_in: int | None = None) -> None:
        self._folder, self._dies_in = Path(folder), dies_in
        self.sampled: list[dict[str, list[list[int]]]] = []
        self.kept: list[list[int]] = []
        self.gradients: list[dict[str, torch.Tensor]] = []
        self.metrics: list[dict[str, float]] = []

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: PromptBatch, batch_idx: int
    ) -> None:
        if batch_idx == self._dies_in and trainer.global_rank == trainer.world_size - 1:
            (self._folder / DIED).touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def on_before_optimizer_step(self, trainer: Any, pl_module: LightningModule, _: Any) -> None:
        trained = {n: p.grad.clone() for n, p in pl_module.named_parameters() if p.requires_grad}
        self.gradients.append(trained)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        rollouts = batch.rollouts
        self.sampled.append(
            {group.sample.id: [t.ids for t in group.trajectories] for group in rollouts.groups}
        )
        self.kept.append(list(rollouts.kept.indices))
        self.metrics.append({n: float(v) for n, v in trainer.callback_metrics.items()})

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.metrics.append({n: float(v) for n, v in trainer.callback_metrics.items()})

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        kept = {n: getattr(self, n) for n in ("sampled", "kept", "gradients", "metrics")}
        torch.save(kept, self._folder / f"rank-{trainer.global_rank}.pt")
