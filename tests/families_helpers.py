"""Small checkpoints of each family, made on the spot from its true config class; those of LLaVA,
whose families are the tests' own, from ``llava_helpers.py``.

Random weights; the tokenizer and the chat template are the embedded model's, which has Qwen's
control tokens. A checkpoint is a folder as the hub would have it.

Such a model says nothing that means anything. Tests that need turns to end let it say but a few
ids (``few_ids``); those that need second turns let a checksum decide who asks (``asks``).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import Tensor
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    PreTrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
    Qwen2_5_VLConfig,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from clip_llava import ClipLlava
from helpers import CALL
from llava_helpers import make_llava_config, make_llava_processor
from pixtral_llava import PixtralLlava
from visionthink_pl.families import EMBEDDED, Family, load_family
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.types import ToolCall

NAMES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
OWN: dict[str, type[Family]] = {  # by their tower's type
    "pixtral": PixtralLlava,
    "clip_vision_model": ClipLlava,
}
SIDE = {"qwen2_vl": 28, "qwen2_5_vl": 28, "qwen3_vl": 32}  # pixels of one visual token
WIDTH = 64
STD = 0.15  # of the weights: at the usual 0.02 no layer does much, and nothing could go wrong

TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "initializer_range": STD,
    "bos_token_id": None,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
}
# Four layers, so that one comes after the three that are shown more of the tower; a head is wider
# than its share of the states, as in the smallest published one.
TEXT_3 = TEXT | {
    "num_hidden_layers": 4,
    "head_dim": 32,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 1e4,
        "mrope_section": [6, 5, 5],
        "mrope_interleaved": True,
    },
}
TOWER = {"depth": 2, "num_heads": 4, "initializer_range": STD}
SIZES: dict[str, dict[str, Any]] = {
    "qwen2_vl": {
        "text_config": TEXT,
        "vision_config": TOWER | {"embed_dim": 48, "hidden_size": WIDTH, "mlp_ratio": 2},
        "tie_word_embeddings": False,
    },
    "qwen2_5_vl": {
        "text_config": TEXT,
        "vision_config": TOWER
        | {
            "hidden_size": 48,
            "intermediate_size": 64,
            "out_hidden_size": WIDTH,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        "tie_word_embeddings": True,
    },
    "qwen3_vl": {
        "text_config": TEXT_3,
        "vision_config": TOWER
        | {
            "depth": 4,
            "hidden_size": 48,
            "intermediate_size": 64,
            "out_hidden_size": WIDTH,
            "num_position_embeddings": 36,
            "deepstack_visual_indexes": [0, 1, 2],
        },
        "tie_word_embeddings": True,
    },
}
CONFIGS = {"qwen2_vl": Qwen2VLConfig, "qwen2_5_vl": Qwen2_5_VLConfig, "qwen3_vl": Qwen3VLConfig}


def make_checkpoint(name: str, folder: Path) -> Path:
    """Write a small checkpoint of the family ``name`` to ``folder``, and return that."""
    own = name not in NAMES
    processor = make_llava_processor(name) if own else make_processor(name)
    config = make_llava_config(name, processor) if own else make_config(name, processor)
    processor.save_pretrained(folder)
    make_model(config).save_pretrained(folder)
    return folder


def own_class(folder: Path) -> type[Family] | None:
    """The class for a checkpoint whose family is the tests' own."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return OWN.get(config["vision_config"]["model_type"])


def family_of(folder: Path) -> Family:
    """The family of a small checkpoint."""
    return load_family(folder, own_class(folder))


def make_processor(name: str) -> ProcessorMixin:
    """The true processor class; its pixel limits are such that, were they obeyed, all images of
    the tests would be enlarged."""
    embedded = AutoProcessor.from_pretrained(EMBEDDED)
    size = {"shortest_edge": 1000 * 1000, "longest_edge": 2000 * 2000}
    parts = {"tokenizer": embedded.tokenizer, "chat_template": embedded.chat_template}
    if name == "qwen3_vl":
        images = Qwen2VLImageProcessor(
            size=size, patch_size=16, image_mean=[0.5] * 3, image_std=[0.5] * 3
        )
        return Qwen3VLProcessor(images, video_processor=Qwen3VLVideoProcessor(), **parts)
    processor = Qwen2VLProcessor if name == "qwen2_vl" else Qwen2_5_VLProcessor
    images = Qwen2VLImageProcessor(size=size)
    return processor(images, video_processor=Qwen2VLVideoProcessor(), **parts)


def make_config(name: str, processor: ProcessorMixin) -> PreTrainedConfig:
    """The true config class with the sizes above and the tokenizer's ids."""
    ids = processor.tokenizer.get_vocab()
    sizes = SIZES[name]
    text = sizes["text_config"] | {
        "vocab_size": -(-len(processor.tokenizer) // 64) * 64,
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
    }
    return CONFIGS[name](
        **sizes | {"text_config": text},
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )


def make_model(config: PreTrainedConfig) -> PreTrainedModel:
    """Random weights, always the same; the biases that would start at 0 are random, too."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = AutoModelForImageTextToText.from_config(config)
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, STD)
    return model


def few_ids(family: Family, vocab_size: int) -> Tensor:
    """Mask of shape (V,): all but the end of turn and five words is never sampled."""
    words = family.encode("the image, which is", [])[:5]
    mask_V = torch.ones(vocab_size, dtype=torch.bool)
    mask_V[[family.end_of_turn_id, *words]] = False
    return mask_V


def asks(conversation: Conversation, text: str, offered: Sequence[str]) -> ToolCall | None:
    """In place of ``Conversation.call``: two of three turns ask for the full image."""
    return CALL if offered and crc32(text.encode()) % 3 else None
