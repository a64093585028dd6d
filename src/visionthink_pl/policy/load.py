"""From a checkpoint to a policy."""

from __future__ import annotations

import torch

from visionthink_pl.families import Family, resolve
from visionthink_pl.policy.adapter import Lora, add_adapter
from visionthink_pl.policy.policy import Policy
from visionthink_pl.types import ConfigError


def load_policy(
    pretrained: str, family: Family, lora: Lora, temperature: float, dtype: torch.dtype
) -> Policy:
    """Load the weights and add adapters that start at zero.

    Raises:
        ConfigError: the checkpoint has dropout switched on.
    """
    model = family.load_model(resolve(pretrained), dtype)
    dropout = model.config.text_config.attention_dropout
    if dropout:
        raise ConfigError(
            f"model.pretrained: {pretrained!r} sets attention_dropout to {dropout}; it must be 0, "
            "or the policy that is trained is not the one that sampled"
        )
    return Policy(add_adapter(model, lora, family), family, temperature)
