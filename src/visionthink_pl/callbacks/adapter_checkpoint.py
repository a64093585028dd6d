"""Checkpoints with the adapter beside them, in PEFT's own format."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from visionthink_pl.callbacks.rollout import RolloutCallback
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.policy.tuning import ADAPTER_FILE


class AdapterCheckpoint(ModelCheckpoint):
    """Lightning's checkpoints of the trainable weights; ``name.ckpt`` comes with ``name/``.

    The folder can be loaded with ``PeftModel.from_pretrained`` over the base model; the
    checkpoint resumes a run with ``--ckpt_path``. Under full fine-tuning there is no adapter, and
    so no folder: ``export`` makes one. While groups wait for more draws nothing is
    written, since they would be lost on resuming: a checkpoint that falls due then is written
    after the step that they are trained on, under the figures monitored before it. The end of a
    run is written too, unless a figure is monitored: it may be that of an earlier step.
    """

    _due = False
    _step = 0  # optimizer steps before the batch under way

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """In Lightning's place, which under manual optimization takes one step a batch for
        granted, and knows no ``train_time_interval``."""
        self._due |= self._passed(trainer)
        if self._due and not self._should_skip_saving_checkpoint(trainer):
            self._save(trainer)

    def _passed(self, trainer: Trainer) -> bool:
        """Whether a checkpoint fell due with the last batch."""
        every, before, self._step = self._every_n_train_steps, self._step, trainer.global_step
        if (interval := self._train_time_interval) is not None:
            assert self._last_time_checked is not None  # set when training starts
            since = time.monotonic() - self._last_time_checked
            return trainer.strategy.broadcast(since >= interval.total_seconds())
        return every > 0 and self._step // every > before // every

    def _save(self, trainer: Trainer) -> None:
        self._due, self._last_time_checked = False, time.monotonic()
        candidates = self._monitor_candidates(trainer)
        if self.monitor is not None and self.monitor not in candidates:
            self._defer_save_until_validation = True  # Lightning's own
            return
        self._save_topk_checkpoint(trainer, candidates)
        self._save_last_checkpoint(trainer, candidates)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        if self.monitor is None and not self._should_skip_saving_checkpoint(trainer):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._should_save_on_train_epoch_end(trainer):
            self._note_if_due(trainer)
        super().on_train_epoch_end(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self._should_save_on_train_epoch_end(trainer):
            self._note_if_due(trainer)
        super().on_validation_end(trainer, pl_module)

    def _note_if_due(self, trainer: Trainer) -> None:
        every = self._every_n_epochs
        due = every >= 1 and (trainer.current_epoch + 1) % every == 0
        self._due |= due and _waiting(trainer)

    def _should_skip_saving_checkpoint(self, trainer: Trainer) -> bool:
        return super()._should_skip_saving_checkpoint(trainer) or _waiting(trainer)

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        from peft import PeftModel  # loaded with the policy, seconds after this module

        super()._save_checkpoint(trainer, filepath)
        module = trainer.lightning_module
        assert isinstance(module, VisionThinkModule) and module.policy is not None
        model = module.policy.model
        if trainer.is_global_zero and isinstance(model, PeftModel):
            folder = Path(filepath).with_suffix("")
            # Embeddings are not trained; without a word PEFT asks the hub whether they have grown.
            model.save_pretrained(
                str(folder), selected_adapters=["default"], save_embedding_layers=False
            )
            (folder / "README.md").unlink()  # PEFT's empty form; ``export`` writes a card
            # Others may read the weights if they may read the config: safetensors forbids it.
            mode = (folder / ADAPTER_FILE).stat().st_mode
            (folder / "adapter_model.safetensors").chmod(mode)

    def _remove_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        super()._remove_checkpoint(trainer, filepath)
        if trainer.is_global_zero:
            shutil.rmtree(Path(filepath).with_suffix(""), ignore_errors=True)


def _waiting(trainer: Trainer) -> bool:
    """Whether groups wait for more draws."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return any(c.waiting > 0 for c in callbacks if isinstance(c, RolloutCallback))
