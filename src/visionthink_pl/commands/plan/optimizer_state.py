"""The optimizer and its state, as the first step of a run leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from visionthink_pl.commands.plan.ledger import tensors_in
from visionthink_pl.training import AdamW, OptimizerConfig
from visionthink_pl.training.optimizer_config import built

# Bytes of AdamW's state a weight; in 8 bits with a scale for every 256, tensors below 4,096
# weights excepted. What is paged makes room where it must.
MOMENTS = {"torch": 8.0, "8bit": 2 + 8 / 256, "paged": 0.0, "paged_8bit": 0.0}
SMALL = 4096


@dataclass(frozen=True)
class Stepped:
    """An optimizer that has taken a step.

    Attributes:
        optimizer: to go on with.
        state: its tensors.
        uncounted: why ``state`` lacks them; ``None`` where it does not.
    """

    optimizer: Optimizer
    state: Sequence[Tensor]
    uncounted: str | None = None


def stepped(config: OptimizerConfig, trained: Sequence[nn.Parameter], gpu: bool) -> Stepped:
    """Build the optimizer and take its first step.

    Args:
        config: its settings.
        trained: parameters without values, with their gradients.
        gpu: whether it steps as on a GPU.
    """
    if isinstance(config, AdamW) and config.variant != "torch":
        return Stepped(_without_state(trained), [_moments(p, config.variant) for p in trained])
    try:
        optimizer = _first_step(config, trained, gpu)
    except Exception as error:  # a class of the user's own may look at values
        why = f"{type(config).__name__}: {type(error).__name__}: {error}"
        return Stepped(_without_state(trained), (), why)
    return Stepped(optimizer, list(tensors_in([*optimizer.state.values()])))


def _first_step(config: OptimizerConfig, trained: Sequence[nn.Parameter], gpu: bool) -> Optimizer:
    optimizer = built(config, trained)
    for group in optimizer.param_groups:
        if group.get("foreach", gpu) is None:  # torch's default then depends on the device
            group["foreach"] = gpu
    optimizer.step()
    return optimizer


def _without_state(trained: Sequence[nn.Parameter]) -> Optimizer:
    """Like bitsandbytes' kernels it needs nothing of its own."""
    return torch.optim.SGD(trained, foreach=False)


def _moments(parameter: Tensor, variant: str) -> Tensor:
    small = parameter.numel() < SMALL and "paged" not in variant
    size = MOMENTS["torch" if small else variant] * parameter.numel()
    return parameter.new_empty(int(size), dtype=torch.uint8)
