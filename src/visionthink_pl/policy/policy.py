"""The policy: a vision-language model with adapters, as a distribution over ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from visionthink_pl.families import Family
from visionthink_pl.policy.distribution import log_distribution
from visionthink_pl.policy.features import ImageFeatures, VisualTokens
from visionthink_pl.policy.packing import pack
from visionthink_pl.types import Trajectory

CHUNK = 1024  # generated positions whose logits are held at once


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
        self.features = ImageFeatures(self.base, family)
        vocab_size = self.base.config.text_config.vocab_size
        self.register_buffer("never_sampled_V", family.never_sampled(vocab_size), persistent=False)

    @property
    def base(self) -> PreTrainedModel:
        """The transformers model; its layers carry the adapters."""
        return cast(PreTrainedModel, self.model.get_base_model())

    def forward(self, trajectories: Sequence[Trajectory]) -> Tensor:
        """Log-probabilities of all generated ids, shape (K,): trajectory by trajectory."""
        return self.logprobs(*self._predictions(trajectories))

    def logprobs_and_entropies(self, trajectories: Sequence[Trajectory]) -> tuple[Tensor, Tensor]:
        """The same, and the entropy of the distribution that each id was chosen from, in nats."""
        logprobs_K, entropies_K = self._by_chunks(
            self._logprobs_and_entropies, *self._predictions(trajectories)
        )
        return logprobs_K, entropies_K

    @torch.no_grad()
    def reference_logprobs(self, trajectories: Sequence[Trajectory]) -> Tensor:
        """The same under the reference: the policy as training started."""
        with self.model.disable_adapter():
            return self(trajectories)

    def embed(self, ids_NT: Tensor, visual: Sequence[VisualTokens]) -> Tensor:
        """Embeddings of shape (N, T, D), each image's visual tokens at its placeholders."""
        embeds_NTD = self.base.get_input_embeddings()(ids_NT)
        if not visual:
            return embeds_NTD
        values_PD = torch.cat([tokens.values_PD for tokens in visual])
        placeholder_NT1 = (ids_NT == self.family.image_token_id)[..., None]
        return embeds_NTD.masked_scatter(placeholder_NT1, values_PD.to(embeds_NTD))

    def distribution(self, hidden: Tensor) -> Tensor:
        """Log-probabilities over ids, shape (..., V), from states of shape (..., D)."""
        logits = self.base.get_output_embeddings()(hidden)
        return log_distribution(logits, self.never_sampled_V, self.temperature)

    def logprobs(self, hidden_KD: Tensor, ids_K: Tensor, chunk: int = CHUNK) -> Tensor:
        """Log-probabilities of ``ids_K``, a chunk of logits at a time, recomputed backward."""
        (logprobs_K,) = self._by_chunks(self._logprobs, hidden_KD, ids_K, chunk)
        return logprobs_K

    def _predictions(self, trajectories: Sequence[Trajectory]) -> tuple[Tensor, Tensor]:
        """The state before each generated id, (K, D), and that id."""
        packed = pack(trajectories, self.family, self.base, self.features)
        hidden_1TD = self.family.hidden(
            self.base,
            self.embed(packed.ids_T[None], packed.visual),
            packed.positions_3T[:, None],
            packing=packed.packing,
        )
        return hidden_1TD[0, packed.predictors_K], packed.targets_K

    @staticmethod
    def _by_chunks(
        function: Callable[[Tensor, Tensor], tuple[Tensor, ...]],
        hidden_KD: Tensor,
        ids_K: Tensor,
        chunk: int = CHUNK,
    ) -> tuple[Tensor, ...]:
        """``function`` a chunk at a time, so that (K, V) logits are never held."""
        if len(ids_K) <= chunk:
            return function(hidden_KD, ids_K)
        parts = [
            checkpoint(function, *part, use_reentrant=False)
            for part in zip(hidden_KD.split(chunk), ids_K.split(chunk), strict=True)
        ]
        return tuple(map(torch.cat, zip(*parts, strict=True)))

    def _logprobs(self, hidden_KD: Tensor, ids_K: Tensor) -> tuple[Tensor]:
        return (self.distribution(hidden_KD).gather(-1, ids_K[:, None]).squeeze(-1),)

    def _logprobs_and_entropies(self, hidden_KD: Tensor, ids_K: Tensor) -> tuple[Tensor, Tensor]:
        logprobs_KV = self.distribution(hidden_KD)
        finite_KV = logprobs_KV.masked_fill(self.never_sampled_V, 0)  # 0 * -inf would be nan
        entropies_K = -(logprobs_KV.exp() * finite_KV).sum(-1)
        return logprobs_KV.gather(-1, ids_K[:, None]).squeeze(-1), entropies_K
