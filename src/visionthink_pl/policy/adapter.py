"""LoRA on the language model."""

from __future__ import annotations

import re
from dataclasses import dataclass

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from visionthink_pl.families import Family
from visionthink_pl.types import ConfigError


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters (Hu et al., 2021); the vision tower and the base stay frozen.

    Args:
        r: rank of the adapters.
        alpha: their output is scaled by alpha / r.
        targets: regular expression, matched in full on module names, of the layers that get an
            adapter; by default every linear layer of the language model's blocks.
        dropout: must be 0: with dropout, the policy that is trained is not the one that sampled.
    """

    r: int = 16
    alpha: int = 32
    targets: str | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("r", self.r), ("alpha", self.alpha)):
            if value < 1:
                raise ConfigError(f"model.lora.{name}: at least 1, not {value}")
        try:
            re.compile(self.targets or "")
        except re.error as error:
            raise ConfigError(
                f"model.lora.targets: {self.targets!r} is no regular expression: {error}"
            ) from error
        if self.dropout != 0:
            raise ConfigError(
                f"model.lora.dropout: must be 0, not {self.dropout}; with dropout the policy that "
                "is trained is not the one that sampled"
            )


def check_targets(model: PreTrainedModel, lora: Lora, family: Family) -> None:
    """Check which linear layers of ``model`` (its weights play no part) would get an adapter.

    Raises:
        ConfigError: none, or one of the vision tower.
    """
    pattern = lora.targets or family.lora_targets
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    hit = [name for name in linear if re.fullmatch(pattern, name)]
    right = f"keep to layers of the language model, as {family.lora_targets!r} does"
    if not hit:
        raise ConfigError(f"model.lora.targets: {pattern!r} matches no linear layer; {right}")
    tower = [name for name in hit if name.startswith(f"{family.vision_tower}.")]
    if tower:
        raise ConfigError(
            f"model.lora.targets: {pattern!r} reaches into the vision tower ({tower[0]}); {right}"
        )


def add_adapter(model: PreTrainedModel, lora: Lora, family: Family) -> PeftModel:
    """Wrap ``model`` with adapters that start at zero, in fp32."""
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        target_modules=lora.targets or family.lora_targets,
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)
