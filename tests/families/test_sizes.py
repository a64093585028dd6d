"""The published sizes, from configs laid out as the hub has them, without any weights."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from families_helpers import make_processor
from visionthink_pl.families import FAMILIES
from visionthink_pl.policy import Lora, check_loadable

TEXT_KEYS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
TEXT_KEYS += ("intermediate_size", "vocab_size")
QWEN2_TOWER = {"depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16, "patch_size": 14}
QWEN2_5_TOWER = {
    "depth": 32,
    "hidden_size": 1280,
    "num_heads": 16,
    "patch_size": 14,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
QWEN3_TOWER = {
    "model_type": "qwen3_vl",
    "depth": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_heads": 16,
    "patch_size": 16,
    "num_position_embeddings": 2304,
    "deepstack_visual_indexes": [5, 11, 17],
}
QWEN3_8B_TOWER = QWEN3_TOWER | {
    "depth": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "deepstack_visual_indexes": [8, 16, 24],
}


def text_of(*sizes: int) -> dict[str, Any]:
    return dict(zip(TEXT_KEYS, sizes, strict=True))


def flat(model_type: str, text: dict, tower: dict, tied: bool) -> dict[str, Any]:
    """Qwen2-VL and Qwen2.5-VL: the language model's sizes stand beside the tower's."""
    rope = {"type": "mrope", "mrope_section": [16, 24, 24]}
    return text | {
        "model_type": model_type,
        "rope_theta": 1e6,
        "rope_scaling": rope,
        "tie_word_embeddings": tied,
        "vision_config": tower,
    }


def nested(text: dict, tower: dict, tied: bool) -> dict[str, Any]:
    """Qwen3-VL: each has a config of its own."""
    rope = {"rope_type": "default", "mrope_interleaved": True, "mrope_section": [24, 20, 20]}
    more = {"model_type": "qwen3_vl_text", "head_dim": 128, "rope_theta": 5e6, "rope_scaling": rope}
    return {
        "model_type": "qwen3_vl",
        "text_config": text | more,
        "vision_config": tower | {"out_hidden_size": text["hidden_size"]},
        "tie_word_embeddings": tied,
    }


def qwen2(text: dict, tied: bool) -> dict[str, Any]:
    return flat("qwen2_vl", text, QWEN2_TOWER | {"hidden_size": text["hidden_size"]}, tied)


def qwen2_5(text: dict, tied: bool, tower_intermediate: int = 3420) -> dict[str, Any]:
    out = {"out_hidden_size": text["hidden_size"], "intermediate_size": tower_intermediate}
    return flat("qwen2_5_vl", text, QWEN2_5_TOWER | out, tied)


# Config, and parameters in billions.
PUBLISHED = {
    "Qwen2-VL-2B": (qwen2(text_of(1536, 28, 12, 2, 8960, 151936), True), 2.21),
    "Qwen2-VL-7B": (qwen2(text_of(3584, 28, 28, 4, 18944, 152064), False), 8.29),
    "Qwen2.5-VL-3B": (qwen2_5(text_of(2048, 36, 16, 2, 11008, 151936), True), 3.75),
    "Qwen2.5-VL-7B": (qwen2_5(text_of(3584, 28, 28, 4, 18944, 152064), False), 8.29),
    "Qwen2.5-VL-32B": (qwen2_5(text_of(5120, 64, 40, 8, 27648, 152064), False, 3456), 33.45),
    "Qwen3-VL-2B": (nested(text_of(2048, 28, 16, 8, 6144, 151936), QWEN3_TOWER, True), 2.13),
    "Qwen3-VL-4B": (nested(text_of(2560, 36, 32, 8, 9728, 151936), QWEN3_TOWER, True), 4.44),
    "Qwen3-VL-8B": (nested(text_of(4096, 36, 32, 8, 12288, 151936), QWEN3_8B_TOWER, False), 8.77),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_adapters_hit_each_layer_of_the_language_model_and_none_of_the_tower(
    name: str, tmp_path: Path
) -> None:
    config, billions = PUBLISHED[name]
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    family = FAMILIES[config["model_type"]](make_processor(config["model_type"]))
    skeleton = family.skeleton(tmp_path)
    assert round(sum(p.numel() for p in skeleton.parameters()) / 1e9, 2) == billions
    linear = [name for name, part in skeleton.named_modules() if isinstance(part, nn.Linear)]
    hit = [name for name in linear if re.fullmatch(family.lora_targets, name)]
    layers = skeleton.config.text_config.num_hidden_layers
    assert len(hit) == 7 * layers
    in_tower = [name for name in linear if name.startswith(f"{family.vision_tower}.")]
    assert in_tower and not set(in_tower) & set(hit)
    assert set(linear) == {*hit, *in_tower, family.head}  # nothing else is left out
    check_loadable(str(tmp_path), family, Lora())
