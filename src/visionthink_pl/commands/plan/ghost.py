"""A policy of tensors that have shapes and no values: the same modules and calls, no bytes."""

from __future__ import annotations

import copy
from functools import cache
from typing import TypeVar

import torch
from torch import nn
from transformers import PreTrainedModel

from visionthink_pl.commands.plan.ledger import Ghost
from visionthink_pl.commands.plan.setup import Setup
from visionthink_pl.families import Family
from visionthink_pl.policy import Lora, Policy, add_adapter
from visionthink_pl.policy.adapter import REFERENCE, lora_config
from visionthink_pl.policy.attention import SHARED_PREFIX

Model = TypeVar("Model", bound=nn.Module)


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
        from visionthink_pl.commands.plan.packed import in_4_bits, pack

        model = in_4_bits(model, setup)
    adapted = add_adapter(model.requires_grad_(False), lora, setup.family)
    if setup.loss.kl_coefficient > 0 and lora.keeps_start:
        adapted.add_adapter(REFERENCE, lora_config(lora, setup.family))
        adapted.set_adapter("default")
    if lora.quantization == "nf4":
        pack(adapted, setup)
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
