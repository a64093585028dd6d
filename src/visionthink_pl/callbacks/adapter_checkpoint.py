"""Checkpoints with the adapter beside them, in PEFT's own format."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from visionthink_pl.callbacks.rollout import RolloutCallback
from visionthink_pl.internals.lightning import Checkpoints
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.module.whole_files import sync, whole
from visionthink_pl.policy.tuning import ADAPTER_FILE
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import PositiveInt

if TYPE_CHECKING:
    from peft import PeftModel  # loaded with the policy, seconds after this module

WEIGHTS = "adapter_model.safetensors"


class AdapterCheckpoint(Checkpoints):
    """Lightning's checkpoints of the trainable weights; ``name.ckpt`` comes with ``name/``.

    The folder can be loaded with ``PeftModel.from_pretrained`` over the base model; the
    checkpoint resumes a run with ``--ckpt_path``. Under full fine-tuning there is no adapter, and
    so no folder: ``export`` makes one. While groups wait for more draws nothing is
    written, since they would be lost on resuming: a checkpoint that falls due then is written
    after the step that they are trained on, under the figures monitored before it. The end of a
    run is written too, unless a figure is monitored: it may be that of an earlier step.

    Args:
        dirpath: folder of the checkpoints; by default ``checkpoints`` in the run's.
        filename: of each, with figures in braces.
        keep_last: how many to keep, the newest; without ``monitor``, with which ``save_top_k``
            keeps the best. An older one is removed once the newer one is whole.
        options: Lightning's, of ``ModelCheckpoint``.
    """

    _due = False
    _step = 0  # optimizer steps before the batch under way

    def __init__(
        self,
        dirpath: str | Path | None = None,
        filename: str | None = None,
        keep_last: PositiveInt | None = None,
        **options: Any,
    ) -> None:
        if keep_last is not None:
            if options.get("monitor") is not None:
                raise ConfigError("keep_last: without monitor; with it save_top_k keeps the best")
            if options.get("save_top_k", 1) not in (-1, 1):  # 1 where nobody has set it
                raise ConfigError("keep_last: without save_top_k")
            options["save_top_k"] = -1
        super().__init__(dirpath, filename, **options)
        self.keep_last = keep_last
        self._files: list[str] = []  # the newest last
        self._since_batch: list[str] = []  # written since the last batch ended

    def state_dict(self) -> dict[str, Any]:
        # Lightning has set the path of the one that is being written.
        files = dict.fromkeys([*self._files, self.best_model_path])
        return super().state_dict() | {"files": [file for file in files if file]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        if self.dirpath == state_dict["dirpath"]:
            self._files = state_dict.get("files", [])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """In Lightning's place, which under manual optimization takes one step a batch for
        granted, and knows no ``train_time_interval``."""
        self._since_batch = []
        self._due |= self._passed(trainer)
        if self._due and self.may_save(trainer):
            self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        self._due = False
        super().save(trainer)

    def _passed(self, trainer: Trainer) -> bool:
        """Whether a checkpoint fell due with the last batch."""
        every, before, self._step = self.steps_between, self._step, trainer.global_step
        if (interval := self.time_between) is not None:
            return trainer.strategy.broadcast(self.seconds_since >= interval.total_seconds())
        return every > 0 and self._step // every > before // every

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        if self.monitor is None and self.may_save(trainer):
            self.save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.saves_at_epoch_end(trainer):
            self._note_if_due(trainer)
        super().on_train_epoch_end(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write those of the batch before it once more: that a validation is due is in them."""
        if trainer.state.fn == TrainerFn.FITTING:
            for file in self._since_batch:
                trainer.save_checkpoint(file, self.save_weights_only)
        if not self.saves_at_epoch_end(trainer):
            self._note_if_due(trainer)
        super().on_validation_end(trainer, pl_module)

    def _note_if_due(self, trainer: Trainer) -> None:
        every = self.epochs_between
        due = every >= 1 and (trainer.current_epoch + 1) % every == 0
        self._due |= due and self.holds_back(trainer)

    def holds_back(self, trainer: Trainer) -> bool:
        """Whether groups wait for more draws."""
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        return any(c.waiting > 0 for c in callbacks if isinstance(c, RolloutCallback))

    def written(self, trainer: Trainer, folder: Path) -> None:
        from peft import PeftModel  # loaded with the policy, seconds after this module

        self._since_batch.append(f"{folder}.ckpt")
        module = trainer.lightning_module
        assert isinstance(module, VisionThinkModule) and module.policy is not None
        model = module.policy.model
        if trainer.is_global_zero and isinstance(model, PeftModel):
            with whole(folder) as partial:
                _write_adapter(model, partial)
        self._drop_older(trainer)

    def _drop_older(self, trainer: Trainer) -> None:
        if self.keep_last is None:
            return
        self._files = list(dict.fromkeys([*self._files, self.best_model_path]))
        while len(self._files) > self.keep_last:
            self._remove_checkpoint(trainer, self._files.pop(0))

    def removed(self, trainer: Trainer, folder: Path) -> None:
        self._since_batch = [file for file in self._since_batch if file != f"{folder}.ckpt"]
        if trainer.is_global_zero:
            shutil.rmtree(folder, ignore_errors=True)


def _write_adapter(model: PeftModel, folder: Path) -> None:
    # Embeddings are not trained; without a word PEFT asks the hub whether they have grown.
    model.save_pretrained(str(folder), selected_adapters=["default"], save_embedding_layers=False)
    (folder / "README.md").unlink()  # PEFT's empty form; ``export`` writes a card
    # Others may read the weights if they may read the config: safetensors forbids it.
    mode = (folder / ADAPTER_FILE).stat().st_mode
    (folder / WEIGHTS).chmod(mode)
    for file in folder.iterdir():
        sync(file)
