"""A policy of tensors that have shapes and no values: the same modules and calls, no bytes."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any, TypeVar

import torch
from bitsandbytes.nn.modules import Linear4bit
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.integrations.bitsandbytes import replace_with_bnb_linear

from visionthink_pl.commands.plan.ledger import Ghost
from visionthink_pl.commands.plan.setup import Setup
from visionthink_pl.families import Family
from visionthink_pl.policy import Lora, Policy, add_adapter
from visionthink_pl.policy.adapter import REFERENCE, lora_config
from visionthink_pl.policy.attention import SHARED_PREFIX
from visionthink_pl.policy.load import nf4

Model = TypeVar("Model", bound=nn.Module)
BLOCK, OUTER_BLOCK = 64, 256  # weights that share a scale, and scales that do
FUSED_ROWS = 1536  # bitsandbytes' kernel for a GPU unpacks no whole matrix up to here


def ghost_policy(setup: Setup, depth: int) -> Policy:
    """The policy as it would be loaded, with this many of its language model's layers."""
    if isinstance(setup.tuning, Lora):
        return _adapted(setup, setup.tuning, depth)
    model = _skeleton(setup, depth).requires_grad_(True)
    model.get_submodule(setup.family.vision_tower).requires_grad_(setup.tuning.vision_tower)
    frozen = None
    if setup.loss.kl_coefficient > 0:
        copy = _materialise(_skeleton(setup, depth), torch.float32)
        frozen = Policy(copy, setup.family, 1.0)
    policy = Policy(_materialise(model, torch.float32), setup.family, 1.0, frozen)
    return _checkpointed(policy, setup)


def _adapted(setup: Setup, lora: Lora, depth: int) -> Policy:
    model = _skeleton(setup, depth)
    if lora.quantization == "nf4":
        config = nf4(setup.dtype, setup.family)
        model = replace_with_bnb_linear(model, config.llm_int8_skip_modules, config)
        model.is_loaded_in_4bit = True  # as PEFT asks
    adapted = add_adapter(model.requires_grad_(False), lora, setup.family)
    if setup.loss.kl_coefficient > 0 and lora.keeps_start:
        adapted.add_adapter(REFERENCE, lora_config(lora, setup.family))
        adapted.set_adapter("default")
    _pack(adapted, setup)
    return _checkpointed(Policy(_materialise(adapted, setup.dtype), setup.family, 1.0), setup)


def _skeleton(setup: Setup, depth: int) -> PreTrainedModel:
    """A model of one's own, on the meta device."""
    whole = skeleton(setup.family, setup.path)
    layers = layers_of(whole, setup)
    beyond = list(layers[depth:])
    del layers[depth:]
    model = copy.deepcopy(whole)
    layers.extend(beyond)
    return model


@cache
def skeleton(family: Family, path: str) -> PreTrainedModel:
    """The whole model on the meta device, frozen, as it is loaded; made once."""
    model = family.skeleton(path)
    model.set_attn_implementation(
        {"text_config": SHARED_PREFIX, "vision_config": "sdpa", "": "sdpa"}
    )
    return model.requires_grad_(False).eval()


def layers_of(model: PreTrainedModel, setup: Setup) -> nn.ModuleList:
    """The layers of the language model."""
    return longest_list(model, beside=setup.family.vision_tower)


def longest_list(model: nn.Module, beside: str | None = None) -> nn.ModuleList:
    """The longest list of modules: the layers of what is made of like layers."""
    lists = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and (beside is None or not name.startswith(beside))
    ]
    return max(lists, key=len)


def _checkpointed(policy: Policy, setup: Setup) -> Policy:
    if setup.checkpointing:
        policy.base.activation_checkpointing_enable(
            {"use_reentrant": False}, every_n_layers=setup.checkpointing
        )
    return policy


def _materialise(model: Model, dtype: torch.dtype) -> Model:
    """Shapes on the meta device become ones on the CPU, whose kernels the operations are for."""
    made: dict[int, nn.Parameter] = {}  # tied weights stay tied
    for name, module in model.named_modules():
        kind = torch.float32 if "lora_" in name else dtype
        for key, old in module._parameters.items():
            if old is not None and id(old) not in made:
                ghost = Ghost(torch.empty(old.shape, dtype=kind, device="meta"))
                made[id(old)] = nn.Parameter(ghost, requires_grad=old.requires_grad)
            module._parameters[key] = None if old is None else made[id(old)]
        for key, buffer in module._buffers.items():
            module._buffers[key] = None if buffer is None else Ghost(buffer)
    return model


def _pack(model: PeftModel, setup: Setup) -> None:
    """Stand-ins for bitsandbytes' layers, whose weights can't be made without values."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, Linear4bit):
                setattr(module, name, Packed(child, setup))


class Packed(nn.Module):
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
