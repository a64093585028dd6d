"""The policy: a vision-language model with adapters, as a distribution over ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from peft import PeftModel
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import embedding
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from visionthink_pl.families import Embedded, Family
from visionthink_pl.policy.adapter import REFERENCE
from visionthink_pl.policy.distribution import log_distribution
from visionthink_pl.policy.features import ImageFeatures, Prepared, VisualTokens
from visionthink_pl.policy.packing import pack
from visionthink_pl.types import Trajectory
from visionthink_pl.types.supports import Supports

CHUNK = 1024  # generated positions whose logits are held at once


class Policy(nn.Module):
    """The policy, and the reference: the policy as training started.

    Under adapters that is the model with its adapters off, or, where they did not start at zero,
    with a frozen copy of what they started from. Under full fine-tuning it is a frozen copy of
    all weights.

    Args:
        model: the base model with adapters, or the model itself where all weights are trained.
        family: its family.
        temperature: of the distribution that is sampled from and trained.
        frozen: the copy of all weights; ``None`` under adapters, and where no reference is needed.
        reference: whether adapters off, or their frozen copy, are the reference; not so where they
            did not start at zero and no copy was kept.
    """

    never_sampled_V: Tensor

    def __init__(
        self,
        model: PeftModel | PreTrainedModel,
        family: Family,
        temperature: float,
        frozen: Policy | None = None,
        reference: bool = True,
    ) -> None:
        super().__init__()
        self.model = model
        self.family = family
        self.temperature = temperature
        self.frozen = frozen
        self.has_reference = frozen is not None or (reference and isinstance(model, PeftModel))
        self.features = ImageFeatures(self.base, family)
        vocab_size = self.base.config.text_config.vocab_size
        never_sampled_V = family.never_sampled(vocab_size).to(self.base.device)
        self.register_buffer("never_sampled_V", never_sampled_V, persistent=False)

    @property
    def base(self) -> PreTrainedModel:
        """The transformers model; its layers carry the adapters."""
        if isinstance(self.model, PeftModel):
            return cast(PreTrainedModel, self.model.get_base_model())
        return self.model

    def forward(self, trajectories: Sequence[Trajectory]) -> Tensor:
        """Log-probabilities of all generated ids, shape (K,): trajectory by trajectory.

        Each is one among the ids that its token was chosen from (``Turn.supports``).
        """
        hidden_KD, ids_K, supports = self._predictions(trajectories)
        return self.logprobs(hidden_KD, ids_K, supports=supports)

    def logprobs_and_entropies(self, trajectories: Sequence[Trajectory]) -> tuple[Tensor, Tensor]:
        """The same, and the entropy of the distribution that each id was chosen from, in nats."""
        logprobs_K, entropies_K = self._by_chunks(
            self._logprobs_and_entropies, *self._predictions(trajectories)
        )
        return logprobs_K, entropies_K

    @torch.no_grad()
    def reference_logprobs(self, trajectories: Sequence[Trajectory]) -> Tensor:
        """The same under the reference."""
        if self.frozen is not None:
            return self.frozen(trajectories)
        with self._as_started():
            return self(trajectories)

    @contextmanager
    def _as_started(self) -> Iterator[None]:
        """Within, the model has the adapters that training started from."""
        assert isinstance(self.model, PeftModel), "loaded without a reference"
        if REFERENCE not in self.model.peft_config:
            with self.model.disable_adapter():
                yield
            return
        self.model.set_adapter(REFERENCE, inference_mode=True)
        try:
            yield
        finally:
            self.model.set_adapter("default")

    def checkpoint_layers(self, every: int) -> None:
        """Compute activations of every n-th layer again in the backward pass, rather than keep
        them."""
        self.base.activation_checkpointing_enable({"use_reentrant": False}, every_n_layers=every)

    def offer(self, images: Sequence[Prepared]) -> None:
        """Use images that were preprocessed ahead, until they are forgotten."""
        self.features.offer(images)

    def forget_images(self) -> None:
        """Drop cached visual tokens: at the end of a step, or when the tower has changed."""
        self.features.clear()
        if self.frozen is not None:
            self.frozen.features.clear()

    def autocast(self) -> torch.autocast:
        """The context to compute in outside of a trainer: mixed precision over a base in bf16, as
        in training."""
        mixed = self.base.dtype == torch.bfloat16
        return torch.autocast(self.device.type, torch.bfloat16, enabled=mixed)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.base.device

    @property
    def end_of_turn_id(self) -> int:
        """The id that ends an assistant turn."""
        return self.family.end_of_turn_id

    @property
    def pad_id(self) -> int:
        """The id that fills up rows of a batch."""
        return self.family.pad_id

    def visual_tokens(self, images: Sequence[Image.Image]) -> list[VisualTokens]:
        """The visual tokens of each image, in order; each distinct image once a step."""
        return self.features(images)

    def positions(self, ids_NT: Tensor, real_NT: Tensor, visual: Sequence[VisualTokens]) -> Tensor:
        """Rotary positions, shape (A, N, T), A axes as the family has them, on the CPU.

        Args:
            ids_NT: rows, filled up with ``pad_id``.
            real_NT: which ids are no padding.
            visual: tokens of the images, row by row.
        """
        sizes = torch.stack([tokens.size for tokens in visual]) if visual else None
        return self.family.positions(self.base, ids_NT, real_NT.long(), sizes)

    def hidden(
        self,
        ids_NT: Tensor,
        positions_ANT: Tensor,
        visual: Sequence[VisualTokens] = (),
        **attention: Any,
    ) -> Tensor:
        """Last states of the language model, shape (N, T, D).

        Args:
            ids_NT: what is read.
            positions_ANT: rotary positions, in 1 axis where all are alike.
            visual: tokens of the images, in the order of their placeholders.
            attention: as of ``Family.hidden``.
        """
        embedded = self.embed(ids_NT, visual)
        return self.family.hidden(self.base, embedded, positions_ANT, **attention)

    def embed(self, ids_NT: Tensor, visual: Sequence[VisualTokens]) -> Embedded:
        """Embeddings, each image's visual tokens at its placeholders."""
        embeds_NTD = self.base.get_input_embeddings()(ids_NT)
        visual_NT1 = (ids_NT == self.family.image_token_id)[..., None]
        if not visual:
            return Embedded(embeds_NTD, visual_NT1)
        levels_LPD = torch.cat([tokens.values_LPD for tokens in visual], 1).to(embeds_NTD)
        first_PD, *deep = levels_LPD
        return Embedded(embeds_NTD.masked_scatter(visual_NT1, first_PD), visual_NT1, deep)

    def distribution(self, hidden: Tensor, excluded: Tensor | None = None) -> Tensor:
        """Log-probabilities over ids, shape (..., V).

        Args:
            hidden: last states, shape (..., D).
            excluded: ids that get probability 0, shape (V,) or (..., V); by default those that are
                never sampled.
        """
        logits = self.base.get_output_embeddings()(hidden)
        excluded = self.never_sampled_V if excluded is None else excluded
        return log_distribution(logits, excluded, self.temperature)

    def logprobs(
        self,
        hidden_KD: Tensor,
        ids_K: Tensor,
        chunk: int = CHUNK,
        supports: Supports | None = None,
    ) -> Tensor:
        """Log-probabilities of ``ids_K``, a chunk of logits at a time, recomputed backward.

        Args:
            hidden_KD: states that predict them.
            ids_K: the ids.
            chunk: how many at a time.
            supports: what each was chosen from; ``None`` for all ids that may be sampled.
        """
        (logprobs_K,) = self._by_chunks(self._logprobs, hidden_KD, ids_K, supports, chunk)
        return logprobs_K

    def _predictions(
        self, trajectories: Sequence[Trajectory]
    ) -> tuple[Tensor, Tensor, Supports | None]:
        """Hidden states that predict the generated ids, (K, D), these ids, (K,), and what they
        were chosen from."""
        packed = pack(trajectories, self.family, self.base, self.features)
        positions_A1T = packed.positions_AT[:, None]
        hidden_1TD = self.hidden(
            packed.ids_T[None], positions_A1T, packed.visual, packing=packed.packing
        )
        # Rollouts of a prompt share its last token. Backward, indexing would add their gradients in
        # any order on a CPU, and index_select on a GPU; a lookup adds in one order on both.
        hidden_KD = embedding(packed.predictors_K, hidden_1TD[0])
        return hidden_KD, packed.targets_K, packed.supports

    @staticmethod
    def _by_chunks(
        function: Callable[[Tensor, Tensor, Supports | None], tuple[Tensor, ...]],
        hidden_KD: Tensor,
        ids_K: Tensor,
        supports: Supports | None,
        chunk: int = CHUNK,
    ) -> tuple[Tensor, ...]:
        """``function`` a chunk at a time, so that (K, V) logits are never held."""
        if len(ids_K) <= chunk:
            return function(hidden_KD, ids_K, supports)
        hidden, ids = hidden_KD.split(chunk), ids_K.split(chunk)
        chosen_from = [None] * len(ids) if supports is None else supports.split(chunk)
        parts = [
            checkpoint(function, *part, use_reentrant=False)
            for part in zip(hidden, ids, chosen_from, strict=True)
        ]
        return tuple(map(torch.cat, zip(*parts, strict=True)))

    def _logprobs(
        self, hidden_KD: Tensor, ids_K: Tensor, supports: Supports | None
    ) -> tuple[Tensor]:
        logprobs_KV = self.distribution(hidden_KD, self._excluded(supports))
        return (logprobs_KV.gather(-1, ids_K[:, None]).squeeze(-1),)

    def _logprobs_and_entropies(
        self, hidden_KD: Tensor, ids_K: Tensor, supports: Supports | None
    ) -> tuple[Tensor, Tensor]:
        excluded = self._excluded(supports)
        logprobs_KV = self.distribution(hidden_KD, excluded)
        finite_KV = logprobs_KV.masked_fill(excluded, 0)  # 0 * -inf would be nan
        entropies_K = -(logprobs_KV.exp() * finite_KV).sum(-1)
        return logprobs_KV.gather(-1, ids_K[:, None]).squeeze(-1), entropies_K

    def _excluded(self, supports: Supports | None) -> Tensor:
        """Ids that get probability 0, shape (V,), or (K, V) where tokens have ids of their own."""
        if supports is None:
            return self.never_sampled_V
        return supports.excluded(self.never_sampled_V)
