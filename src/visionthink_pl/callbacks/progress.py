"""A progress bar that names the phase."""

from __future__ import annotations

from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from torch import Tensor


class PhaseProgressBar(TQDMProgressBar):
    """Lightning's bar, led by the phase: rollout, update or validation.

    It must stand before ``RolloutCallback`` in the list, so that it speaks first.
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._show(trainer, "rollout")

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        self._show(trainer, "update")

    def _show(self, trainer: Trainer, phase: str) -> None:
        if self.is_enabled:
            self.train_progress_bar.set_description(f"Epoch {trainer.current_epoch} {phase:7}")

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Leave out the version number, which says nothing about the run."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
