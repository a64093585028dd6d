"""The policy: a vision-language model with adapters, as a distribution over ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from visionthink_pl.families import Family
from visionthink_pl.policy.distribution import log_distribution
from visionthink_pl.policy.inputs import ModelInputs, collate
from visionthink_pl.types import Trajectory


class Policy(nn.Module):
    """Policy and reference in one: with its adapters off, the model is the reference.

    Args:
        model: the base model with adapters that started at zero.
        family: its family.
        temperature: of the distribution that is sampled from and trained.
    """

    never_sampled_V: Tensor

    def __init__(self, model: PeftModel, family: Family, temperature: float) -> None:
        super().__init__()
        self.model = model
        self.family = family
        self.temperature = temperature
        vocab_size = self.base.config.text_config.vocab_size
        self.register_buffer("never_sampled_V", family.never_sampled(vocab_size), persistent=False)

    @property
    def base(self) -> PreTrainedModel:
        """The transformers model; its layers carry the adapters."""
        return cast(PreTrainedModel, self.model.get_base_model())

    def forward(self, trajectories: Sequence[Trajectory]) -> Tensor:
        """Log-probabilities of all generated ids, shape (K,): trajectory by trajectory."""
        inputs = collate(trajectories, self.family, self.base, padding="right")
        hidden_NTD = self._hidden(inputs)
        predicted_NT = inputs.generated_NT[:, 1:]  # the state before an id predicts it
        logits_KV = self.base.lm_head(hidden_NTD[:, :-1][predicted_NT])
        logprobs_KV = log_distribution(logits_KV, self.never_sampled_V, self.temperature)
        ids_K = inputs.ids_NT[:, 1:][predicted_NT]
        return logprobs_KV.gather(-1, ids_K[:, None]).squeeze(-1)

    @torch.no_grad()
    def reference_logprobs(self, trajectories: Sequence[Trajectory]) -> Tensor:
        """The same under the reference: the policy as training started."""
        with self.model.disable_adapter():
            return self(trajectories)

    def _hidden(self, inputs: ModelInputs) -> Tensor:
        return self.base.model(
            input_ids=inputs.ids_NT,
            attention_mask=inputs.attention_NT,
            position_ids=inputs.positions_3NT,
            pixel_values=inputs.pixels.values,
            image_grid_thw=inputs.pixels.grid_thw,
            use_cache=False,
        ).last_hidden_state
