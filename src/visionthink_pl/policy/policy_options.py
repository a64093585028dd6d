"""Loads a policy for inference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from peft import PeftModel

from visionthink_pl.families import Family, load_family, resolve
from visionthink_pl.policy.adapter import start_from
from visionthink_pl.policy.attention import SHARED_PREFIX
from visionthink_pl.policy.load import load_policy
from visionthink_pl.policy.policy import Policy
from visionthink_pl.policy.tuning import Lora, refuse_no_adapter
from visionthink_pl.types import ConfigError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class PolicyOptions:
    """The policy that answers.

    Args:
        pretrained: ``embedded``, a local folder, or a hub id.
        family: class of the model family; by default found by the checkpoint's ``model_type``.
        trust_remote_code: run code that comes with the checkpoint; without it none is run.
        adapter: folder of a PEFT adapter on it, such as a training run writes beside each
            checkpoint; by default none.
        precision: of the base weights and of computation; adapters stay in fp32.
        device: to compute on; ``auto`` is the GPU where there is one.
    """

    pretrained: str = "embedded"
    family: type[Family] | None = None
    trust_remote_code: bool = False
    adapter: str | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        if self.adapter is not None:
            refuse_no_adapter(self.adapter, "policy.adapter")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("policy.device: no GPU can be used here; set auto or cpu")

    @cached_property
    def model_family(self) -> Family:
        """The family, with the processor and without weights.

        Raises:
            ConfigError: as of ``load_family``.
        """
        return load_family(self.pretrained, self.family, self.trust_remote_code)

    def load(self, temperature: float = 1.0) -> Policy:
        """Load processor and weights.

        Args:
            temperature: of the distribution that is sampled from.

        Raises:
            ConfigError: there is no such model, or the adapter is not for it.
        """
        family = self.model_family
        policy = (
            self._base(family, temperature)
            if self.adapter is None
            else self._adapted(family, self.adapter, temperature)
        )
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return policy.to(device).eval().requires_grad_(False)

    def _base(self, family: Family, temperature: float) -> Policy:
        """A policy without an adapter of its own: ``load_policy`` adds one that is zero, which is
        merged to save its computation."""
        policy = load_policy(
            self.pretrained, family, Lora(r=1), temperature, DTYPES[self.precision]
        )
        assert isinstance(policy.model, PeftModel)
        policy.model.merge_adapter()
        return policy

    def _adapted(self, family: Family, adapter: str, temperature: float) -> Policy:
        model = family.load_model(resolve(self.pretrained), DTYPES[self.precision], SHARED_PREFIX)
        return Policy(start_from(model, adapter, "policy.adapter"), family, temperature)
