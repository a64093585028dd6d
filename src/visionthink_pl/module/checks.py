"""Trainers that would train something else, refused before any weights are loaded."""

from __future__ import annotations

import torch
from lightning import Trainer
from lightning.pytorch.accelerators import CPUAccelerator, CUDAAccelerator
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from visionthink_pl.internals.lightning import start_method
from visionthink_pl.training import AdamW, OptimizerConfig
from visionthink_pl.types import ConfigError

SUPPORTED_STRATEGIES = (SingleDeviceStrategy, DDPStrategy)  # what is derived does other things
BASE_DTYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}


def check_trainer(trainer: Trainer, optimizer: OptimizerConfig) -> None:
    """Refuse a trainer that the module can't be trained with.

    Raises:
        ConfigError: its precision, its devices or how it starts their processes, kernels that
            are not there, batches of its own choice, or a schedule without an end.
    """
    if trainer.precision not in BASE_DTYPES:
        raise ConfigError(
            f"trainer.precision: {' or '.join(BASE_DTYPES)}, not {trainer.precision}: "
            "what is trained stays in fp32"
        )
    _check_accelerator(trainer, optimizer)
    _check_strategy(trainer)
    if trainer.overfit_batches:  # type: ignore[attr-defined]
        raise ConfigError(
            "trainer.overfit_batches: set trainer.limit_train_batches to the number of "
            "batches, and data.shuffle to false, so that each epoch draws the same prompts"
        )
    if optimizer.schedule != "constant" and trainer.max_epochs == trainer.max_steps == -1:
        raise ConfigError(
            f"model.optimizer.schedule: {optimizer.schedule} needs an end of training: set "
            "trainer.max_epochs or trainer.max_steps"
        )


def _check_accelerator(trainer: Trainer, optimizer: OptimizerConfig) -> None:
    accelerator = trainer.accelerator
    variant = optimizer.variant if isinstance(optimizer, AdamW) else "torch"
    if variant.startswith("paged") and isinstance(accelerator, CPUAccelerator):
        raise ConfigError(
            f"model.optimizer.variant: {variant} moves its state out of a GPU, and "
            "there is none here; take torch or 8bit"
        )
    if not isinstance(accelerator, CPUAccelerator | CUDAAccelerator):
        raise ConfigError(
            f"trainer.accelerator: cpu or cuda, not {type(accelerator).__name__}, "
            "which has no fp64 for picking ids"
        )


def _check_strategy(trainer: Trainer) -> None:
    strategy = trainer.strategy
    if type(strategy) not in SUPPORTED_STRATEGIES:
        raise ConfigError(
            f"trainer.strategy: {type(strategy).__name__} is not supported; take auto "
            "on one device and ddp on several"
        )
    if isinstance(strategy, DDPStrategy) and start_method(strategy) != "popen":
        raise ConfigError(
            f"trainer.strategy: ddp, whose start method is popen, not "
            f"{start_method(strategy)}; in a notebook set trainer.devices to 1"
        )
