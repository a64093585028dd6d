"""Qwen3-VL: visual features are also added behind the first language layers (DeepStack)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from visionthink_pl.families.inputs import Embedded, Pixels
from visionthink_pl.families.qwen import Qwen


class Qwen3VL(Qwen):
    """Dense Qwen3-VL in any size. One visual token covers 32 x 32 pixels.

    What the tower found at three of its layers is added to the visual tokens behind the first
    three layers of the language model (Meng et al., 2024).
    """

    model_type = "qwen3_vl"
    box_unit = "thousandths"

    def image_features(self, model: PreTrainedModel, pixels: Pixels) -> Sequence[Tensor]:
        out = model.model.get_image_features(pixels.values, pixels.sizes)
        levels = zip(out.pooler_output, *out.deepstack_features, strict=True)
        return [torch.stack(image) for image in levels]

    def hidden(
        self,
        model: PreTrainedModel,
        embedded: Embedded,
        positions_ANT: Tensor,
        **attention: Any,
    ) -> Tensor:
        # Layer by layer: called as a whole, this model takes no mask but its own, and would ask
        # our cache about one.
        cache, mask = attention.pop("cache", None), attention.pop("mask", None)
        text, states_NTD = model.model.language_model, embedded.values_NTD
        rotary = text.rotary_emb(states_NTD, positions_ANT.expand(3, -1, -1))
        for layer, deep_PD in zip_longest(text.layers, embedded.deep):
            states_NTD = layer(
                states_NTD,
                position_embeddings=rotary,
                attention_mask=mask,
                cache=cache,
                **attention,
            )
            if deep_PD is not None:
                nothing_NTD = torch.zeros_like(states_NTD)
                states_NTD = states_NTD + nothing_NTD.masked_scatter(
                    embedded.visual_NT1, deep_PD.to(states_NTD)
                )
        return text.norm(states_NTD)
