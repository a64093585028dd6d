"""A decoder and image features that do, of many like things, one, and book them all."""

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
from visionthink_pl.rollout.decoder import Decoder, _State


class FullTurns(Decoder):
    """Turns of full length, of which the first and the last step are taken.

    Args:
        policy: the policy.
        max_new_tokens: of every turn.
        check_every: as for any decoder.
        ledger: of the steps that are left out, it is told the FLOPs.
    """

    def __init__(
        self, policy: Policy, max_new_tokens: int, check_every: int, ledger: Ledger
    ) -> None:
        super().__init__(policy, max_new_tokens, check_every)
        self._ledger = ledger

    def turn(self) -> None:
        """Decode the turn that rows are in; then they wait."""
        self._ledger.go("decoding")
        ending = [i for i, slot in enumerate(self._slots) if slot.state is _State.DECODING]
        flops = self._ledger.flops
        before = flops["decoding"]
        rows = self._rows
        ends = [counter_N + self._max for counter_N in (rows.lengths_N, rows.positions_N)]
        for steps in (0, self._max - 1):
            self._longest += steps
            self._step()
        flops["decoding"] = before + (flops["decoding"] - before) * self._max // 2
        rows.lengths_N, rows.positions_N = ends
        rows.decoding_N = torch.zeros(len(self._slots), dtype=torch.bool)  # values at last
        self._end(ending)


class SizedFeatures(ImageFeatures):
    """Visual tokens of images, of which one of each size goes through the tower."""

    def __init__(self, policy: Policy, ledger: Ledger) -> None:
        super().__init__(policy.base, policy.family)
        self._ledger, self._flops = ledger, dict[str, int]()
        for block in longest_list(policy.base.get_submodule(policy.family.vision_tower)):
            self._once_a_kind(block)

    def _run(self, images: Mapping[bytes, Image.Image]) -> dict[bytes, VisualTokens]:
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
        patches, width, grid_thw_3 = _patches(self._family, size)
        like = next(self._model.parameters())
        values = like.new_empty(count * patches, width, dtype=torch.float32)
        pixels = Pixels(values, grid_thw_3.expand(count, 3))
        features = self._family.image_features(self._model, pixels)
        self._ledger.rename(list(features), "features")
        return [VisualTokens(values_LPD, grid_thw_3) for values_LPD in features]


@cache
def _patches(family: Family, size: tuple[int, int]) -> tuple[int, int, Tensor]:
    """Of one image: how many, how wide, and its grid."""
    pixels = family.pixels([Image.new("RGB", size)])
    return len(pixels.values), pixels.values.shape[1], pixels.grid_thw[0]
