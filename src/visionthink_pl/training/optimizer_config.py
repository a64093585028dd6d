"""What the trained weights are stepped by: an optimizer, and how its learning rate goes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer

from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import NonNegativeInt, PositiveFloat, check_fields

KEY = "model.optimizer"
# The class of checkpoints that name none: they were written when there was no other.
UNNAMED = "visionthink_pl.training.optimizer.AdamW"


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(ABC):
    """An optimizer's settings, of which ``build`` makes it. Subclasses are frozen dataclasses;
    their fields are the options in YAML.

    Args:
        lr: peak learning rate.
        schedule: how the learning rate goes after the warm-up: down to 0 at the end of training,
            however many optimizer steps that takes, unless constant.
        warmup_steps: optimizer steps over which the learning rate rises from 0.
    """

    lr: PositiveFloat = 1e-5
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: NonNegativeInt = 0

    def __post_init__(self) -> None:
        check_fields(self, KEY)

    @abstractmethod
    def build(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """Return the optimizer of what is trained.

        The ``lr`` of each of its parameter groups is that group's peak: warm-up and schedule are
        applied to it.
        """

    @property
    def remedy(self) -> str:
        """What to change in the config where there is no memory for its state."""
        return "train fewer weights: model.lora, or a lower model.lora.r"

    def factor(self, step: int, done: float, total_steps: float) -> float:
        """The learning rate of an optimizer step, as a share of its peak.

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
        return min(risen, self._decayed(min(left, 1.0)))

    def _decayed(self, left: float) -> float:
        """The factor of ``lr`` where this share of what follows the warm-up is left."""
        if self.schedule == "constant":
            return 1.0
        return left if self.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left))

    def apply(
        self, groups: Sequence[dict[str, Any]], as_built: Sequence[Mapping[str, Any]]
    ) -> None:
        """Let these settings hold for groups of parameters that were restored: a checkpoint brings
        those of the run that wrote it. The learning rate is for ``factor`` to say; what the
        optimizer itself keeps in a group, and is no option, stays.

        Args:
            groups: of the restored optimizer.
            as_built: the same groups as ``build`` made them.
        """
        names = {field.name for field in fields(self)} - {"lr"}
        for group, built in zip(groups, as_built, strict=True):
            group |= {name: built[name] for name in names & built.keys()}

    def record(self) -> dict[str, Any]:
        """What a checkpoint's optimizer was set to, by keys of the config, in plain values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        of = f"{type(self).__module__}.{type(self).__qualname__}"
        return {KEY: of} | {f"{KEY}.{name}": _plain(value) for name, value in values.items()}

    def changes(self, saved: Mapping[str, Any]) -> list[str]:
        """Which settings differ from those of the run that wrote a checkpoint, in words.

        Args:
            saved: that run's ``record``.

        Raises:
            ConfigError: the checkpoint's optimizer state can't be taken over.
        """
        now = self.record()
        refuse_change(KEY, saved.get(KEY, UNNAMED), now[KEY])
        return [
            f"{name} {value} (was {saved[name]})"
            for name, value in now.items()
            if name in saved and saved[name] != value
        ]


def refuse_change(key: str, before: str, now: str) -> None:
    """Refuse optimizer state of another kind.

    Raises:
        ConfigError: the kinds differ.
    """
    if before != now:
        raise ConfigError(
            f"{key}: {now} can't go on with the optimizer state in the checkpoint, which is that "
            f"of {before}; resume with {before}, or start a new run from the weights "
            "(model.lora.adapter, or model.pretrained after export)"
        )


def built(config: OptimizerConfig, parameters: Sequence[nn.Parameter]) -> Optimizer:
    """The optimizer that a class builds, if training can use it.

    Raises:
        ConfigError: it can't.
    """
    optimizer: object = config.build(parameters)
    name = type(config).__name__
    if not isinstance(optimizer, Optimizer):
        raise ConfigError(
            f"{KEY}: {name}.build returned {type(optimizer).__name__}; return a "
            "torch.optim.Optimizer"
        )
    if not all("lr" in group for group in optimizer.param_groups):
        raise ConfigError(
            f"{KEY}: {name}.build returned an optimizer without a learning rate, which warm-up and "
            "schedule set; each of its parameter groups needs an lr"
        )
    return optimizer


def _plain(value: Any) -> Any:
    """As a checkpoint may hold it: only plain values load without running code."""
    if type(value) in (tuple, list):
        return type(value)(_plain(item) for item in value)
    return value if type(value) in (bool, int, float, str, type(None)) else repr(value)
