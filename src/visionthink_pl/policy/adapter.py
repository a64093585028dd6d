"""LoRA on the language model."""

from __future__ import annotations

from dataclasses import dataclass

from peft import LoraConfig, PeftModel, get_peft_model
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
        if self.r < 1:
            raise ConfigError(f"model.lora.r: at least 1, not {self.r}")
        if self.dropout != 0:
            raise ConfigError(
                f"model.lora.dropout: must be 0, not {self.dropout}; with dropout the policy that "
                "is trained is not the one that sampled"
            )


def add_adapter(model: PreTrainedModel, lora: Lora, family: Family) -> PeftModel:
    """Wrap ``model`` with adapters that start at zero, in fp32.

    Raises:
        ConfigError: the pattern hits no layer, or reaches into the vision tower.
    """
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        target_modules=lora.targets or family.lora_targets,
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )
    try:
        adapted = get_peft_model(model, config)
    except ValueError as error:
        raise ConfigError(f"model.lora.targets: {error}") from error
    tower = [n for n, p in adapted.named_parameters() if p.requires_grad and ".visual." in n]
    if tower:
        raise ConfigError(
            f"model.lora.targets: reaches into the vision tower ({tower[0]}); keep to layers of "
            f"the language model, as {family.lora_targets!r} does"
        )
    return adapted
