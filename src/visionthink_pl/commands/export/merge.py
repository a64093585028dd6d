"""Merges trained weights into their base, on the CPU, in the dtype that is saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import torch
from peft import PeftModel, get_peft_model, set_peft_model_state_dict
from torch import Tensor, nn
from transformers import PreTrainedModel

from visionthink_pl.commands.export.probe import ATTENTION, Probe
from visionthink_pl.commands.export.trained import Trained
from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.internals.bitsandbytes import (
    HfQuantizer,
    Linear4bit,
    Params4bit,
    dequantize_4bit,
    keep_layout,
)
from visionthink_pl.internals.peft import LoraLayer
from visionthink_pl.policy.load import nf4


@dataclass
class Difference:
    """Absolute differences between pairs of numbers.

    Attributes:
        largest: the largest one.
        total: their sum.
        count: number of pairs.
    """

    largest: float = 0.0
    total: float = field(default=0.0, repr=False)
    count: int = 0

    @property
    def mean(self) -> float:
        return self.total / max(self.count, 1)

    def add(self, before: Tensor, after: Tensor) -> None:
        """Add the differences of two tensors of the same shape."""
        apart = (before.float() - after.float()).abs()
        self.largest = max(self.largest, apart.max().item())
        self.total += apart.sum(dtype=torch.float64).item()
        self.count += apart.numel()


@dataclass(frozen=True)
class Merged:
    """A model to save, and what merging changed.

    Attributes:
        model: in the run's dtype.
        weights: differences that rounding to that dtype made to the trained weights.
        logprobs: differences, in nats, between the model's log-probabilities of the probe's answer
            and those of the policy as trained.
    """

    model: PreTrainedModel
    weights: Difference
    logprobs: Difference


@torch.no_grad()
def merge(trained: Trained, run: Run) -> Merged:
    """Merge trained weights into the base.

    An adapter is added to the weights that the policy computed with: the dequantized ones where
    the base was held in 4 bits. The sum is computed in fp32 and rounded once.
    """
    probe, weights, logprobs = Probe(run), Difference(), Difference()
    if trained.adapter is None:
        model = run.family.load_model(run.base, torch.float32, ATTENTION)
        model.load_state_dict(trained.tensors, strict=False)
        before = probe(model, as_trained=True)
        _round(model, run.dtype, set(trained.tensors), weights)
    else:
        adapted = _adapted(_base(run), trained)
        before = probe(adapted, as_trained=True)
        if run.quantized:
            adapted = _adapted(_dequantized(cast(PreTrainedModel, adapted.unload())), trained)
        model = _merged(adapted, weights)
    logprobs.add(before, probe(model, as_trained=False))
    return Merged(model, weights, logprobs)


def _base(run: Run) -> PreTrainedModel:
    quantization = nf4(run.dtype, run.family) if run.quantized else None
    model = run.family.load_model(run.base, run.dtype, ATTENTION, quantization)
    keep_layout(model)  # bitsandbytes' CPU layout can't be dequantized
    return model


def _adapted(model: PreTrainedModel, trained: Trained) -> PeftModel:
    assert trained.adapter is not None
    adapted = cast(PeftModel, get_peft_model(model, trained.adapter))
    set_peft_model_state_dict(adapted, dict(trained.tensors))
    return adapted.eval()


def _dequantized(model: PreTrainedModel) -> PreTrainedModel:
    """Replace 4-bit layers by plain ones with the dequantized weights."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, Linear4bit):
            plain = nn.Linear(layer.in_features, layer.out_features, device="meta")
            packed = cast(Params4bit, layer.weight)
            weight = dequantize_4bit(packed.data, packed.quant_state).cpu()
            plain.weight, plain.bias = nn.Parameter(weight, requires_grad=False), layer.bias
            model.set_submodule(name, plain)
    cast(HfQuantizer, model.hf_quantizer).remove_quantization_config(model)
    return model.cpu()


def _merged(adapted: PeftModel, weights: Difference) -> PreTrainedModel:
    for layer in adapted.modules():
        if isinstance(layer, LoraLayer):
            weight = cast(Tensor, layer.get_base_layer().weight)
            dtype, weight.data = weight.dtype, weight.data.float()
            layer.merge()
            exact, weight.data = weight.data, weight.data.to(dtype)
            weights.add(exact, weight)
    return cast(PreTrainedModel, adapted.unload())


def _round(
    model: PreTrainedModel, dtype: torch.dtype, trained: set[str], weights: Difference
) -> None:
    """Round all weights, not buffers; record what that changes in the ``trained`` ones."""
    for name, value in model.named_parameters():
        exact = value.data
        value.data = exact.to(dtype)
        if name in trained:
            weights.add(exact, value)
