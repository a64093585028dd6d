"""AdamW, and its variants that need less memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Lt
from torch import nn
from torch.optim import Optimizer

from visionthink_pl.training.optimizer_config import KEY, OptimizerConfig, refuse_change
from visionthink_pl.types.limits import NonNegativeFloat

Decay = Annotated[float, Ge(0), Lt(1)]  # of a running mean

REMEDIES = {
    "torch": "set model.optimizer.variant to 8bit or paged_8bit",
    "8bit": "set model.optimizer.variant to paged_8bit",
    "paged": "set model.optimizer.variant to paged_8bit",
}


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


@dataclass(frozen=True, kw_only=True)
class AdamW(OptimizerConfig):
    """AdamW over the trainable parameters.

    Args:
        weight_decay: decoupled weight decay, a fraction of lr.
        betas: decay of the running means of the gradient and its square.
        variant: where its running means are. ``torch``: in fp32, 8 bytes a trained weight.
            ``8bit``: quantised, a quarter of that (bitsandbytes). ``paged``, ``paged_8bit``: the
            same, moved to host memory where the GPU's runs out.
    """

    weight_decay: NonNegativeFloat = 0.0
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    variant: Literal["torch", "8bit", "paged", "paged_8bit"] = "torch"

    def build(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        return variant_class(self.variant)(
            parameters, lr=self.lr, betas=self.betas, weight_decay=self.weight_decay
        )

    @property
    def remedy(self) -> str:
        return REMEDIES.get(self.variant, super().remedy)

    def changes(self, saved: Mapping[str, Any]) -> list[str]:
        changes = super().changes(saved)  # first of all the class
        key = f"{KEY}.variant"
        refuse_change(key, saved.get(key, self.variant), self.variant)
        return changes
