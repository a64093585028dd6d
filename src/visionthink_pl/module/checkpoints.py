"""Checkpoints of training runs: what they hold, and whether a run can go on from one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch.optim import Optimizer

from visionthink_pl.data import PromptDataModule
from visionthink_pl.internals.lightning import (
    COUNTERS,
    forget_loader,
    reopen_epoch,
    set_validation,
    trainer_of,
    uncount_batch,
    uncount_step,
    validation_due,
)
from visionthink_pl.module.evaluation import EvaluatedModule
from visionthink_pl.module.stepping import optimizer_of
from visionthink_pl.module.whole_files import WholeCheckpointIO, check_whole
from visionthink_pl.policy import Tuning
from visionthink_pl.training import OptimizerConfig
from visionthink_pl.training.bad_steps import BadSteps
from visionthink_pl.training.optimizer_config import built
from visionthink_pl.types import ConfigError

NEEDED = ("state_dict", "global_step", "loops")
TYPES = {"state_dict": dict, "global_step": int, "loops": dict, "callbacks": dict}


class CheckpointedModule(EvaluatedModule):
    """A module whose checkpoints hold what is trained alone: the base is loaded from where it came.

    Args:
        kinds: every kind of sample that metrics are split by.
        tuning: what is trained.
        optimizer: its settings.
        max_bad_steps: how many may be skipped in a row.

    Attributes:
        as_built: the optimizer's parameter groups as they were made, without the parameters.
        between_passes: called between passes that change no weights; may end the run. The rollout
            callback sets it.
    """

    def __init__(
        self,
        kinds: tuple[str, ...],
        tuning: Tuning,
        optimizer: OptimizerConfig,
        max_bad_steps: int,
    ) -> None:
        super().__init__(kinds)
        self.strict_loading = False
        self._restored_step = 0
        self._validated = False  # since the last training batch
        self.tuning, self.optimizer_config = tuning, optimizer
        self.bad_steps = BadSteps(max_bad_steps)
        self.as_built: Sequence[Mapping[str, Any]] = ()
        self.between_passes: Callable[[], None] = lambda: None

    def setup(self, stage: str) -> None:
        """Have checkpoints written whole, where nobody has chosen another way."""
        super().setup(stage)
        strategy = self.trainer.strategy
        if type(strategy.checkpoint_io) is TorchCheckpointIO:
            strategy.checkpoint_io = WholeCheckpointIO()

    def configure_optimizers(self) -> Optimizer:
        """The optimizer of what is trained."""
        trained = [p for p in self.parameters() if p.requires_grad]
        optimizer = built(self.optimizer_config, trained)
        self.as_built = [
            {name: value for name, value in group.items() if name != "params"}
            for group in optimizer.param_groups
        ]
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is trained, and the adapter it started from."""
        kept = self._kept()
        checkpoint["state_dict"] = {
            name: value for name, value in checkpoint["state_dict"].items() if name in kept
        }
        checkpoint["tuning"] = self.tuning.record()
        checkpoint["optimizer"] = self.optimizer_config.record()
        checkpoint["bad_steps"] = self.bad_steps.record()
        checkpoint["validation_due"] = not self._validated and validation_due(self.trainer)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Loading is not strict, since the base is not in the checkpoint: check what should be.
        Of the optimizer's settings those of the config hold; say which are others.

        Raises:
            ConfigError: the checkpoint's weights are not those that this run trains, or would not
                mean the same; or its optimizer's state is of no use to this run's.
        """
        kept, parameters = self._kept(), self.named_parameters()
        shapes = {name: tuple(p.shape) for name, p in parameters if name in kept}
        check_fits(checkpoint, self.tuning.record(), shapes)
        self._restored_step = checkpoint["global_step"]
        self.bad_steps.restore(checkpoint.get("bad_steps", {}))
        trainer = trainer_of(self)
        if trainer is None or trainer.state.fn != TrainerFn.FITTING:
            return  # neither counters nor an optimizer are needed
        data = trainer.datamodule  # type: ignore[attr-defined]
        check_resumable(checkpoint, isinstance(data, PromptDataModule))
        set_validation(checkpoint, checkpoint.get("validation_due", False))
        uncount_step(checkpoint)
        reopen_epoch(checkpoint)
        forget_loader(checkpoint)
        if changes := self.optimizer_config.changes(checkpoint.get("optimizer", {})):
            rank_zero_info(f"The resumed run goes on with {', '.join(changes)}.")

    @property
    def weights_step(self) -> int:
        """Optimizer steps that the weights have taken; only a fit restores Lightning's count."""
        fits = self.trainer.state.fn == TrainerFn.FITTING
        return self.trainer.global_step if fits else self._restored_step

    def on_fit_start(self) -> None:
        self.train()  # Lightning leaves the mode alone, and checkpoints load in eval mode

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        self._validated = False

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        self._validated = True

    def on_train_start(self) -> None:
        """A checkpoint's counters and its optimizer's state, settings included, are restored by
        now."""
        uncount_batch(self.trainer)
        self.optimizer_config.apply(optimizer_of(self).param_groups, self.as_built)

    def _kept(self) -> set[str]:
        return {name for name, p in self.named_parameters() if p.requires_grad or "lora_" in name}


def read_checkpoint(file: Path, key: str) -> dict[str, Any]:
    """The checkpoint in a file; its tensors are read when they are used.

    Args:
        file: written by Lightning.
        key: of the config, or of the command line, that names it.

    Raises:
        ConfigError: it can't be read, or is something else.
    """
    check_whole(file, key)
    try:
        saved = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # whatever unpickling stumbles over in a file of any kind
        why = f"{type(error).__name__}: {error}".split("\n")[0]
        raise ConfigError(f"{key}: {str(file)!r} can't be read as a checkpoint: {why}") from error
    if not isinstance(saved, dict) or not set(NEEDED) <= saved.keys():
        raise ConfigError(
            f"{key}: {str(file)!r} is no checkpoint of a training run: it lacks "
            f"{', '.join(NEEDED[:-1])} or {NEEDED[-1]}"
        )
    for name, kind in TYPES.items():
        if name in saved and not isinstance(saved[name], kind):
            raise ConfigError(
                f"{key}: {str(file)!r} is no checkpoint of a training run: its {name} is no "
                f"{kind.__name__}"
            )
    if not all(isinstance(value, Tensor) for value in saved["state_dict"].values()):
        raise ConfigError(f"{key}: {str(file)!r} is no checkpoint: not all weights are tensors")
    return saved


def check_resumable(checkpoint: Mapping[str, Any], has_data: bool) -> None:
    """Check for what Lightning would go on without: a run would begin anew in part.

    Args:
        checkpoint: to go on from.
        has_data: whether the run's data have a position.

    Raises:
        ConfigError: something is missing, or not as it was written.
    """
    lacks = "ckpt_path: from this checkpoint a run can't go on: it lacks"
    rollouts = checkpoint.get("callbacks", {}).get("RolloutCallback")
    if not isinstance(rollouts, dict) or not isinstance(rollouts.get("draw"), int):
        raise ConfigError(f"{lacks} how many draws there were (callbacks)")
    if has_data and not isinstance(checkpoint.get("PromptDataModule"), dict):
        raise ConfigError(f"{lacks} where in the data the run was (PromptDataModule)")
    counted = checkpoint["loops"].get("fit_loop")
    if not isinstance(counted, dict) or not set(COUNTERS) <= counted.keys():
        raise ConfigError(f"{lacks} counters of batches and epochs (loops)")
    states = checkpoint.get("optimizer_states")
    if not isinstance(states, list) or not states or not isinstance(states[0], dict):
        raise ConfigError(f"{lacks} the optimizer's state (optimizer_states)")
    slots = [slot for slot in states[0].get("state", {}).values() if isinstance(slot, dict)]
    values = [v for slot in slots for v in slot.values() if isinstance(v, Tensor)]
    if not all(value.isfinite().all() for value in values if value.is_floating_point()):
        raise ConfigError("ckpt_path: the optimizer's state is not finite; take an earlier one")


def check_fits(
    checkpoint: Mapping[str, Any],
    tuning: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Check that a checkpoint is one of this run: loading takes what it finds, since the base is
    not in it.

    Args:
        checkpoint: to go on from.
        tuning: the run's own record of what its weights mean.
        shapes: of the weights that the run keeps, by name.

    Raises:
        ConfigError: its weights are others, another model's, or would not mean the same.
    """
    right = "resume with the config that it was trained with"
    if (trained := checkpoint.get("tuning")) != tuning:
        raise ConfigError(
            f"ckpt_path: the checkpoint was trained with {trained}, not {tuning}; {right}"
        )
    found = {name: tuple(value.shape) for name, value in checkpoint["state_dict"].items()}
    if found.keys() != shapes.keys():
        raise ConfigError(
            "ckpt_path: the checkpoint holds other weights than this config makes (model.lora, "
            f"and what the KL needs); {right}"
        )
    for name, shape in found.items():
        if shape != shapes[name]:
            raise ConfigError(
                f"ckpt_path: the checkpoint is another model's: of {name} it has {shape} where "
                f"{shapes[name]} belongs; {right}"
            )
    for name, value in checkpoint["state_dict"].items():
        if not value.isfinite().all():
            raise ConfigError(
                f"ckpt_path: the checkpoint's weights {name} are not finite; take an earlier one"
            )
