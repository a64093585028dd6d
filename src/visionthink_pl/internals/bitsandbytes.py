"""bitsandbytes: layers in 4 bits. It takes a second to load: import it where one is used."""

from __future__ import annotations

from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn.modules import Linear4bit, Params4bit
from torch import nn
from transformers.integrations.bitsandbytes import replace_with_bnb_linear
from transformers.quantizers.base import HfQuantizer

__all__ = [
    "HfQuantizer",
    "Linear4bit",
    "Params4bit",
    "dequantize_4bit",
    "keep_layout",
    "replace_with_bnb_linear",
]


def keep_layout(model: nn.Module) -> None:
    """Keep the layout of 4-bit weights: without gradients they are repacked for CPUs with
    AVX512-BF16, for good, into one that has no backward."""
    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
