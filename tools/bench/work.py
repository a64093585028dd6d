"""The work of a step: a model of a given size with random weights, prompts of given lengths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoProcessor, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from visionthink_pl.families import EMBEDDED

TOWER = {"patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 112}
TRUE_TOWER = TOWER | {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "fullatt_block_indexes": [7, 15, 23, 31],
}


def text(hidden: int, inner: int, layers: int, heads: int, kv: int, vocab: int) -> dict[str, int]:
    return {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "vocab_size": vocab,
    }


def tower(depth: int, hidden: int, inner: int, heads: int) -> dict[str, object]:
    return TOWER | {
        "depth": depth,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_heads": heads,
        "fullatt_block_indexes": [depth // 2, depth - 1],
    }


# Language model and vision tower; 30m has the 3B's proportions, four to one.
SIZES = {
    "tiny": (text(64, 128, 2, 4, 2, 640), tower(2, 32, 64, 2)),
    "30m": (text(384, 2048, 8, 6, 2, 6144), tower(6, 256, 600, 4)),
    "3b": (text(2048, 11008, 36, 16, 2, 151_936), TRUE_TOWER),
    "7b": (text(3584, 18944, 28, 28, 4, 152_064), TRUE_TOWER),
}


@dataclass(frozen=True)
class Work:
    """What one step has to do.

    Attributes:
        size: of the model, a key of ``SIZES``.
        prompts: B, prompts a step.
        group_size: G, rollouts a prompt.
        turns: 1, or more: then a share of the rollouts asks in all but the last. With 2 it is shown
            the full image, four times the tokens; with more, a quarter of that in each turn.
        prompt_tokens: text tokens of a prompt.
        image_tokens: visual tokens of the first look.
        new_tokens: generated in every turn.
        ask_rate: share of a group's rollouts that ask, with two turns or more.
        kl: coefficient of the KL to the reference; 0 needs no reference.
        dtype: of the base weights.
        device: ``cpu`` or ``cuda``.
        without: a saving that ours does without, a key of ``ours.WITHOUT``; empty for none.
    """

    size: str
    prompts: int
    group_size: int
    turns: int
    prompt_tokens: int
    image_tokens: int
    new_tokens: int
    ask_rate: float
    kl: float
    dtype: str
    device: str
    without: str = ""

    @property
    def asking(self) -> int:
        """How many rollouts of a group ask."""
        return round(self.ask_rate * self.group_size) if self.turns > 1 else 0

    @property
    def looks(self) -> int:
        """Looks of a rollout that asks."""
        return self.turns - 1

    @property
    def look_tokens(self) -> int:
        """Visual tokens of each of these looks."""
        return self.image_tokens * (4 if self.turns == 2 else 1)

    def image(self, index: int, looks: int) -> Image.Image:
        """Noise of ``image_tokens`` visual tokens, or four times as many at the second look."""
        side = math.isqrt(self.image_tokens)
        if side * side != self.image_tokens:
            raise SystemExit(f"--image-tokens: a square such as 324, not {self.image_tokens}")
        noise = torch.Generator().manual_seed(1000 * looks + index)
        pixels = side * 28 * looks
        values = torch.randint(256, (pixels, pixels, 3), generator=noise, dtype=torch.uint8)
        return Image.fromarray(values.numpy())


def write_model(work: Work, folder: Path) -> None:
    """Write model and processor, the embedded one's with its pixel limits opened."""
    processor = AutoProcessor.from_pretrained(EMBEDDED)
    processor.image_processor.size = {"shortest_edge": 28 * 28, "longest_edge": 10**9}
    processor.save_pretrained(folder)
    embedded = Qwen2_5_VLConfig.from_pretrained(EMBEDDED)
    text_sizes, tower_sizes = SIZES[work.size]
    half_width = text_sizes["hidden_size"] // text_sizes["num_attention_heads"] // 2
    sections = [half_width // 4, half_width * 3 // 8, half_width - half_width * 5 // 8]
    config = Qwen2_5_VLConfig(
        text_config=embedded.text_config.to_dict()
        | text_sizes
        | {
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1_000_000.0,
                "mrope_section": sections,
            },
            "max_position_embeddings": 32_768,
            "layer_types": ["full_attention"] * text_sizes["num_hidden_layers"],
        },
        vision_config=tower_sizes | {"out_hidden_size": text_sizes["hidden_size"]},
        **{
            name: getattr(embedded, name)
            for name in (
                "image_token_id",
                "video_token_id",
                "vision_start_token_id",
                "vision_end_token_id",
            )
        },
        tie_word_embeddings=work.size != "7b",
    )
    torch.manual_seed(0)
    torch.set_default_dtype(getattr(torch, work.dtype))
    with torch.device(work.device):
        model = Qwen2_5_VLForConditionalGeneration(config)
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)


def messages(work: Work, processor) -> list[dict]:
    """A user's turn with one image whose prompt has ``prompt_tokens`` text tokens."""

    def written(words: int) -> tuple[int, list[dict]]:
        content = [{"type": "image"}, {"type": "text", "text": " a" * words}]
        chat = [{"role": "user", "content": content}]
        rendered = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        return len(processor.tokenizer.encode(rendered)) - 1, chat  # less the placeholder

    for words in range(1, work.prompt_tokens + 1):
        count, chat = written(words)
        if count == work.prompt_tokens:
            return chat
    raise SystemExit(f"--prompt-tokens: can't write a prompt of {work.prompt_tokens} text tokens")
