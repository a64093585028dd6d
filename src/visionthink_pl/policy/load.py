"""From a checkpoint to a policy."""

from __future__ import annotations

import torch

from visionthink_pl.families import Family, resolve
from visionthink_pl.policy.adapter import Lora, add_adapter, check_targets
from visionthink_pl.policy.attention import SHARED_PREFIX
from visionthink_pl.policy.policy import Policy
from visionthink_pl.types import ConfigError


def check_loadable(pretrained: str, family: Family, lora: Lora) -> None:
    """Refuse, from the checkpoint's config alone, what ``load_policy`` could make no policy of.

    Raises:
        ConfigError: dropout is switched on, or ``lora.targets`` hits no linear layer, or one of
            the vision tower.
    """
    skeleton = family.skeleton(resolve(pretrained))
    dropout = skeleton.config.text_config.attention_dropout
    if dropout:
        raise ConfigError(
            f"model.pretrained: {pretrained!r} sets attention_dropout to {dropout}; it must be 0, "
            "or the policy that is trained is not the one that sampled"
        )
    check_targets(skeleton, lora, family)


def load_policy(
    pretrained: str, family: Family, lora: Lora, temperature: float, dtype: torch.dtype
) -> Policy:
    """Load the weights and add adapters that start at zero."""
    model = family.load_model(resolve(pretrained), dtype, SHARED_PREFIX)
    return Policy(add_adapter(model, lora, family), family, temperature)
