"""The optimizer's settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from visionthink_pl.types import ConfigError


def variant_class(variant: str) -> Callable[..., Optimizer]:
    """The class of a variant; bitsandbytes is loaded where one of its own is asked for alone."""
    if variant == "torch":
        return torch.optim.AdamW
    from bitsandbytes.optim import adamw

    classes = {
        "8bit": adamw.AdamW8bit,
        "paged": adamw.PagedAdamW,
        "paged_8bit": adamw.PagedAdamW8bit,
    }
    return classes[variant]


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
        variant: where its running means are. ``torch``: in fp32, 8 bytes a trained weight.
            ``8bit``: quantised, a quarter of that (bitsandbytes). ``paged``, ``paged_8bit``: the
            same, moved to host memory where the GPU's runs out.
    """

    lr: float = 1e-5
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: int = 0
    variant: Literal["torch", "8bit", "paged", "paged_8bit"] = "torch"

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
    ) -> tuple[Optimizer, LRScheduler]:
        """Return the optimizer and its schedule.

        Args:
            parameters: what is trained.
            total_steps: optimizer steps of the whole training; may be infinite where the
                learning rate stays constant.
        """
        from transformers import get_scheduler  # loads peft, which takes seconds

        optimizer = variant_class(self.variant)(
            parameters, lr=self.lr, betas=self.betas, weight_decay=self.weight_decay
        )
        if self.schedule == "constant":
            return optimizer, get_scheduler("constant_with_warmup", optimizer, self.warmup_steps)
        return optimizer, get_scheduler(
            self.schedule, optimizer, self.warmup_steps, int(total_steps)
        )
