"""Checkpoints with the adapter beside them, in PEFT's own format."""

from __future__ import annotations

import shutil
from pathlib import Path

from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from visionthink_pl.module import VisionThinkModule


class AdapterCheckpoint(ModelCheckpoint):
    """Lightning's checkpoints of the trainable weights; ``name.ckpt`` comes with ``name/``.

    The folder can be loaded with ``PeftModel.from_pretrained`` over the base model; the
    checkpoint resumes a run with ``--ckpt_path``.
    """

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        module = trainer.lightning_module
        assert isinstance(module, VisionThinkModule) and module.policy is not None
        if trainer.is_global_zero:
            module.policy.model.save_pretrained(str(Path(filepath).with_suffix("")))

    def _remove_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        super()._remove_checkpoint(trainer, filepath)
        if trainer.is_global_zero:
            shutil.rmtree(Path(filepath).with_suffix(""), ignore_errors=True)
