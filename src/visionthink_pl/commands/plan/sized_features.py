"""Visual tokens without values: of many like things one is computed, and all are booked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from visionthink_pl.commands.plan.ghost import longest_list
from visionthink_pl.commands.plan.ledger import Ledger
from visionthink_pl.families import Family, Pixels
from visionthink_pl.policy import Policy
from visionthink_pl.policy.features import ImageFeatures, VisualTokens


class SizedFeatures(ImageFeatures):
    """Visual tokens of images, of which one of each size goes through the tower."""

    def __init__(self, policy: Policy, ledger: Ledger) -> None:
        super().__init__(policy.base, policy.family)
        self._ledger, self._flops = ledger, dict[str, int]()
        for block in longest_list(policy.base.get_submodule(policy.family.vision_tower)):
            self._once_a_kind(block)

    def compute(self, images: Mapping[bytes, Image.Image]) -> dict[bytes, VisualTokens]:
        by_size: dict[tuple[int, int], list[bytes]] = defaultdict(list)
        for key, image in images.items():
            by_size[image.size].append(key)
        out: dict[bytes, VisualTokens] = {}
        for size, keys in by_size.items():
            if torch.is_grad_enabled():
                tokens = self._tower(size, len(keys))
            else:
                self._ledger.times = len(keys)
                tokens = self._tower(size, 1) * len(keys)
                self._ledger.times = 1
            out |= dict(zip(keys, tokens, strict=True))
        return out

    def _once_a_kind(self, block: nn.Module) -> None:
        """Without gradients blocks leave nothing behind: of those alike, one is run."""
        forward = block.forward

        def run(states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            if torch.is_grad_enabled():
                return forward(states, *args, **kwargs)
            tensors = [x for x in tree_leaves((states, args, kwargs)) if isinstance(x, Tensor)]
            kind = str([tuple(tensor.shape) for tensor in tensors])
            if kind in self._flops:
                self._ledger.add_flops(self._flops[kind])
                return states
            before = self._ledger.total_flops
            out = forward(states, *args, **kwargs)
            self._flops[kind] = (self._ledger.total_flops - before) // self._ledger.times
            return out

        block.forward = run

    def _tower(self, size: tuple[int, int], count: int) -> list[VisualTokens]:
        (length, *width), size_of_one = _shapes(self._family, size)
        like = next(self._model.parameters())
        values = like.new_empty(count * length, *width, dtype=torch.float32)
        pixels = Pixels(values, size_of_one.expand(count, -1))
        features = self._family.image_features(self._model, pixels)
        self._ledger.rename(list(features), "features")
        return [VisualTokens(values_LPD, size_of_one) for values_LPD in features]


@cache
def _shapes(family: Family, size: tuple[int, int]) -> tuple[torch.Size, Tensor]:
    """Of one image: the shape of its values, and what the family says of its size."""
    pixels = family.pixels([Image.new("RGB", size)])
    return pixels.values.shape, pixels.sizes[0]
