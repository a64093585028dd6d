"""Layers in 4 bits of a policy without values. Loads bitsandbytes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from visionthink_pl.commands.plan.setup import Setup
from visionthink_pl.internals.bitsandbytes import Linear4bit, replace_with_bnb_linear
from visionthink_pl.policy.load import nf4

BLOCK, OUTER_BLOCK = 64, 256  # weights that share a scale, and scales that do
FUSED_ROWS = 1536  # bitsandbytes' kernel for a GPU unpacks no whole matrix up to here


def in_4_bits(model: PreTrainedModel, setup: Setup) -> PreTrainedModel:
    """The model with bitsandbytes' layers, as they stand before they have values."""
    config = nf4(setup.dtype, setup.family)
    packed: Any = replace_with_bnb_linear(model, config.llm_int8_skip_modules, config)
    packed.is_loaded_in_4bit = True  # as PEFT asks
    return packed


def pack(model: nn.Module, setup: Setup) -> None:
    """Stand-ins for bitsandbytes' layers, whose weights can't be made without values."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, Linear4bit):
                setattr(module, name, Linear4bitStandIn(child, setup))


class Linear4bitStandIn(nn.Module):
    """A linear layer in 4 bits, its scales quantised too."""

    def __init__(self, layer: Linear4bit, setup: Setup) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self._setup, self.bias = setup, layer.bias
        weights = self.in_features * self.out_features
        scales = -(-weights // BLOCK)
        for name, count, dtype in (
            ("packed", -(-weights // 2), torch.uint8),
            ("scales", scales, torch.uint8),
            ("scales_of_scales", -(-scales // OUTER_BLOCK), torch.float32),
        ):
            self.register_buffer(name, torch.empty(count, dtype=dtype, device="meta"))

    def forward(self, x: Tensor) -> Tensor:
        fused = self._setup.gpu and x.numel() <= FUSED_ROWS * x.shape[-1]
        shape = self.out_features, self.in_features
        out = _Unpack.apply(x.to(self._setup.dtype), self.bias, shape, fused)
        return out.to(x.dtype)


class _Unpack(torch.autograd.Function):
    """What bitsandbytes does: the matrix is unpacked for each product and let go."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, bias: Tensor | None, shape: tuple[int, int], fused: bool
    ) -> Tensor:
        ctx.shape = shape
        weight = x.new_empty(1).expand(shape) if fused else _unpacked(x, shape)
        return nn.functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return grad @ _unpacked(grad, ctx.shape), None, None, None


def _unpacked(like: Tensor, shape: tuple[int, int]) -> Tensor:
    scales = like.new_empty(shape[0] * shape[1] // BLOCK, dtype=torch.float32)
    weight = like.new_empty(shape)
    del scales
    return weight
