"""Checkpoints of a given size, and what steps on them take."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from families_helpers import CONFIGS, make_processor
from visionthink_pl.callbacks import RolloutCallback
from visionthink_pl.commands.plan.setup import Demand, Setup
from visionthink_pl.images import PixelLimits
from visionthink_pl.losses import GRPOLoss
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.policy import Lora
from visionthink_pl.training.optimizer import AdamW
from visionthink_pl.visual_tools import Zoom

TOWER_2_5 = {
    "patch_size": 14,
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
TOWER_3 = {
    "patch_size": 16,
    "depth": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_heads": 16,
    "deepstack_visual_indexes": [5, 11, 17],
}
TEXT_KEYS = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
TEXT_KEYS += ("num_key_value_heads", "head_dim", "vocab_size")
TOOLS: dict[int, dict[str, Any]] = {1: {"tools": []}, 2: {}}  # by turns; else zooms


@dataclass(frozen=True)
class Sizes:
    """Of a checkpoint: ``text`` in the order of ``TEXT_KEYS``."""

    text: tuple[int, ...]
    tower: dict[str, Any]
    tied: bool = True
    family: str = "qwen2_5_vl"


# As their configs on the hub say.
QWEN_2_5_3B = Sizes((2048, 11008, 36, 16, 2, 128, 151_936), TOWER_2_5)
QWEN_2_5_7B = Sizes((3584, 18944, 28, 28, 4, 128, 152_064), TOWER_2_5, tied=False)
QWEN_3_4B = Sizes((2560, 9728, 36, 32, 8, 128, 151_936), TOWER_3, family="qwen3_vl")
SMALL_TOWER = {"depth": 3, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2}
SMALL = Sizes(
    (128, 512, 4, 4, 2, 32, 4096), TOWER_2_5 | SMALL_TOWER | {"fullatt_block_indexes": [2]}
)


def write_checkpoint(folder: Path, sizes: Sizes, weights: bool = False) -> str:
    """Write config and processor, with the embedded model's tokenizer; weights are random."""
    processor = make_processor(sizes.family)
    processor.save_pretrained(folder)
    text = dict(zip(TEXT_KEYS, sizes.text, strict=True))
    half = text["head_dim"] // 2
    sections = [half - 2 * (half * 3 // 8), half * 3 // 8, half * 3 // 8]
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": sections}
    ids = processor.tokenizer.get_vocab()
    config = CONFIGS[sizes.family](
        text_config=text | {"rope_parameters": rope, "max_position_embeddings": 32_768},
        vision_config=sizes.tower | {"out_hidden_size": text["hidden_size"]},
        tie_word_embeddings=sizes.tied,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    config.save_pretrained(folder)
    if weights:
        torch.manual_seed(0)
        AutoModelForImageTextToText.from_config(config).save_pretrained(folder)
    return str(folder)


def build(folder: str, settings: dict[str, Any]) -> tuple[VisionThinkModule, RolloutCallback]:
    """Module and callback with a few of their options, as JSON can hold them."""
    own = {"lora": {}, "kl": 0.001, "checkpointing": False, "micro": 8, "turns": 2, "rows": 8}
    own |= {"new_tokens": 16, "side": 504, "group": 8} | settings
    module = VisionThinkModule(
        folder,
        lora=None if own["lora"] is None else Lora(**own["lora"]),
        loss=GRPOLoss(kl_coefficient=own["kl"]),
        micro_batch_size=own["micro"],
        gradient_checkpointing=own["checkpointing"],
        optimizer=AdamW(variant=own.get("variant", "torch")),
    )
    rollout = RolloutCallback(
        group_size=own["group"],
        max_turns=own["turns"],
        max_new_tokens=own["new_tokens"],
        max_prompt_tokens=own.get("prompt_tokens"),
        rows=own["rows"],
        limits=PixelLimits(max_pixels=own["side"] ** 2),
        max_visual_tokens=own.get("visual_tokens"),
        **TOOLS.get(own["turns"], {"tools": [Zoom("thousandths")]}),
    )
    return module, rollout


def make_setup(folder: str, settings: dict[str, Any], prompts: int = 1, **changes: Any) -> Setup:
    """What a plan is made from, on a CPU unless ``changes`` say otherwise."""
    module, rollout = build(folder, settings)
    precision = settings.get("precision", "32-true")
    setup = Setup.of(module, rollout, prompts, precision, Demand(prompt_tokens=0), gpu=False)
    return replace(setup, **changes)


def measure(folder: str, all_settings: list[dict[str, Any]]) -> list[int]:
    """Peak bytes of a step under each of the settings, in a process each, two at a time."""
    halves = [_start(folder, all_settings[first::2]) for first in (0, 1)]
    outputs = [half.communicate() for half in halves]
    for half, (_, error) in zip(halves, outputs, strict=True):
        assert half.returncode == 0, error[-3000:]
    even, odd = ([int(line) for line in output.split()] for output, _ in outputs)
    return [(odd if index % 2 else even)[index // 2] for index in range(len(all_settings))]


def _start(folder: str, all_settings: list[dict[str, Any]]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "plan_child.py"), folder]
        + [json.dumps(settings) for settings in all_settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Freed memory goes back at once, so that what is resident is what is in use.
        env=os.environ | {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
        | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
