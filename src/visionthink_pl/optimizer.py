"""The optimizer's settings."""

from __future__ import annotations

import math
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
        if not 0 < self.lr < math.inf:
            raise ConfigError(f"model.optimizer.lr: above 0, not {self.lr}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"model.optimizer.betas: from 0 to below 1, not {self.betas}")
        for name, value in (
            ("weight_decay", self.weight_decay),
            ("warmup_steps", self.warmup_steps),
        ):
            if not 0 <= value < math.inf:
                raise ConfigError(f"model.optimizer.{name}: at least 0, not {value}")

    def build(
        self, parameters: Iterable[nn.Parameter], total_steps: float
    ) -> tuple[torch.optim.AdamW, LRScheduler]:
        """Return the optimizer and its schedule.

        Args:
            parameters: what is trained.
            total_steps: optimizer steps of the whole training; may be infinite where the
                learning rate stays constant.
        """
        optimizer = torch.optim.AdamW(
            parameters, lr=self.lr, betas=self.betas, weight_decay=self.weight_decay
        )
        if self.schedule == "constant":
            return optimizer, get_scheduler("constant_with_warmup", optimizer, self.warmup_steps)
        return optimizer, get_scheduler(
            self.schedule, optimizer, self.warmup_steps, int(total_steps)
        )
