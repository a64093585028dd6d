"""The optimizer's settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_scheduler

from visionthink_pl.types import ConfigError


@dataclass(frozen=True)
class AdamW:
    """AdamW over the trainable parameters, and how its learning rate goes.

    Args:
        lr: peak learning rate.
        weight_decay: decoupled weight decay, a fraction of lr.
        betas: decay of the running means of the gradient and its square.
        schedule: how the learning rate goes after the warm-up, down to 0 at the end of training
            unless constant.
        warmup_steps: optimizer steps over which the learning rate rises from 0.
    """

    lr: float = 1e-5
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ConfigError(f"model.optimizer.lr: above 0, not {self.lr}")
        if self.warmup_steps < 0 or self.weight_decay < 0:
            raise ConfigError("model.optimizer: warmup_steps and weight_decay must be at least 0")

    def build(
        self, parameters: Iterable[nn.Parameter], total_steps: int
    ) -> tuple[torch.optim.AdamW, LRScheduler]:
        """Return the optimizer and its schedule over ``total_steps`` optimizer steps."""
        optimizer = torch.optim.AdamW(
            parameters, lr=self.lr, betas=self.betas, weight_decay=self.weight_decay
        )
        name = "constant_with_warmup" if self.schedule == "constant" else self.schedule
        return optimizer, get_scheduler(name, optimizer, self.warmup_steps, total_steps)
