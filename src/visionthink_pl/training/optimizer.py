"""The optimizer's settings, and how its learning rate goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Lt
from torch import nn
from torch.optim import Optimizer

from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    check_fields,
)

Decay = Annotated[float, Ge(0), Lt(1)]  # of a running mean


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
class TrainingLength:
    """How long a training is: it ends at whichever limit it reaches first.

    Attributes:
        batches: of an epoch; infinite where nobody knows.
        max_epochs: -1 for any number.
        max_steps: optimizer steps; -1 for any number.
        updates_per_batch: optimizer steps that a batch may take.
    """

    batches: float
    max_epochs: int
    max_steps: int
    updates_per_batch: int

    @property
    def steps(self) -> float:
        """The most optimizer steps that it can take; may be infinite."""
        by_epochs = self.batches * self.updates_per_batch * self.max_epochs
        limits = [limit for limit in (by_epochs, self.max_steps) if limit > 0]
        return min(limits, default=math.inf)

    def done(self, epochs: float, steps: int) -> float:
        """The share of it that lies behind.

        Args:
            epochs: that are done with, the share of the present one included.
            steps: optimizer steps that were taken.
        """
        by_epochs = epochs / self.max_epochs if self.max_epochs > 0 else 0.0
        by_steps = steps / self.max_steps if self.max_steps > 0 else 0.0
        return min(max(by_epochs, by_steps), 1.0)


@dataclass(frozen=True)
class AdamW:
    """AdamW over the trainable parameters, and how its learning rate goes.

    Args:
        lr: peak learning rate.
        weight_decay: decoupled weight decay, a fraction of lr.
        betas: decay of the running means of the gradient and its square.
        schedule: how the learning rate goes after the warm-up: down to 0 at the end of training,
            however many optimizer steps that takes, unless constant.
        warmup_steps: optimizer steps over which the learning rate rises from 0.
        variant: where its running means are. ``torch``: in fp32, 8 bytes a trained weight.
            ``8bit``: quantised, a quarter of that (bitsandbytes). ``paged``, ``paged_8bit``: the
            same, moved to host memory where the GPU's runs out.
    """

    lr: PositiveFloat = 1e-5
    weight_decay: NonNegativeFloat = 0.0
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: NonNegativeInt = 0
    variant: Literal["torch", "8bit", "paged", "paged_8bit"] = "torch"

    def __post_init__(self) -> None:
        check_fields(self, "model.optimizer")

    def build(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Return the optimizer of what is trained; ``rate`` says how its learning rate goes."""
        return variant_class(self.variant)(
            parameters, lr=self.lr, betas=self.betas, weight_decay=self.weight_decay
        )

    def rate(self, step: int, done: float, total_steps: float) -> float:
        """The learning rate of an optimizer step.

        It rises by the steps that were taken, and falls by how much of the training is done: a
        batch may take fewer steps than it could, and the end comes all the same.

        Args:
            step: how many optimizer steps were taken before it.
            done: share of the training that lies behind it.
            total_steps: the most optimizer steps that the training can take; may be infinite.
        """
        risen = step / self.warmup_steps if step < self.warmup_steps else 1.0
        warm = min(self.warmup_steps / total_steps, 1.0)
        left = (1 - done) / (1 - warm) if warm < 1 else float(done < 1)
        return self.lr * min(risen, self._decayed(min(left, 1.0)))

    def _decayed(self, left: float) -> float:
        """The factor of ``lr`` where this share of what follows the warm-up is left."""
        if self.schedule == "constant":
            return 1.0
        return left if self.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left))

    def apply(self, groups: list[dict[str, Any]]) -> None:
        """Let these settings hold for groups of parameters that were restored: a checkpoint brings
        those of the run that wrote it. The learning rate is for ``rate`` to say."""
        for group in groups:
            group |= {"betas": self.betas, "weight_decay": self.weight_decay}

    def record(self) -> dict[str, Any]:
        """What a checkpoint's optimizer was set to, by keys of the config."""
        return {f"model.optimizer.{name}": value for name, value in asdict(self).items()}

    def changes(self, saved: Mapping[str, Any]) -> list[str]:
        """Which settings differ from those of the run that wrote a checkpoint, in words.

        Args:
            saved: that run's ``record``.

        Raises:
            ConfigError: the checkpoint's running means can't be taken over.
        """
        key, now = "model.optimizer.variant", self.record()
        if (variant := saved.get(key, self.variant)) != self.variant:
            raise ConfigError(
                f"{key}: {self.variant} can't go on with the running means in the checkpoint, "
                f"which are those of {variant}; resume with {variant}, or start a new run from "
                "the weights (model.lora.adapter, or model.pretrained after export)"
            )
        return [
            f"{name} {value} (was {saved[name]})"
            for name, value in now.items()
            if name in saved and saved[name] != value
        ]
