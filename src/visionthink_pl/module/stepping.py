"""What the trainer contributes to a training step: precision, ranks, the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ParallelStrategy
from torch.optim import Optimizer

from visionthink_pl.training import Backend, OptimizerConfig
from visionthink_pl.training.training_length import TrainingLength


def backend_of(module: LightningModule, between_passes: Callable[[], None]) -> Backend:
    """The backend of the module's trainer: its precision, backward and synchronisation."""
    trainer = module.trainer
    return Backend(
        precision=trainer.precision_plugin.forward_context,
        backward=module.manual_backward,
        local=lambda: _local(trainer),
        exact=trainer.precision == "32-true",
        between_passes=between_passes,
    )


def _local(trainer: Trainer) -> AbstractContextManager[Any]:
    strategy = trainer.strategy
    return (
        strategy.block_backward_sync() if isinstance(strategy, ParallelStrategy) else nullcontext()
    )


def optimizer_of(module: LightningModule) -> Optimizer:
    """The module's one optimizer; through Lightning's wrapper, which counts its steps."""
    optimizer = module.optimizers()
    assert isinstance(optimizer, Optimizer | LightningOptimizer)
    return optimizer  # type: ignore[return-value]  # the wrapper derives from what it wraps


def steps_left(trainer: Trainer) -> int | None:
    """Optimizer steps that ``max_steps`` leaves, which Lightning looks at between batches alone;
    ``None`` without that limit."""
    return None if trainer.max_steps == -1 else trainer.max_steps - trainer.global_step


def set_rate(
    module: LightningModule,
    config: OptimizerConfig,
    as_built: Sequence[Mapping[str, Any]],
    updates_per_batch: int,
    batches: float,
) -> None:
    """Set the learning rate of the next optimizer step.

    Args:
        module: that is trained.
        config: how the rate goes.
        as_built: the optimizer's parameter groups, with their peak rates.
        updates_per_batch: optimizer steps that a batch may take.
        batches: of this epoch that are done, parts of one included.
    """
    trainer = module.trainer
    length = TrainingLength(
        trainer.num_training_batches,
        trainer.max_epochs or -1,
        trainer.max_steps,
        updates_per_batch,
    )
    epochs, steps = trainer.current_epoch + batches / length.batches, trainer.global_step
    factor = config.factor(steps, length.done(epochs, steps), length.steps)
    for group, built in zip(optimizer_of(module).param_groups, as_built, strict=True):
        group["lr"] = built["lr"] * factor
