"""Qwen2.5-VL: dynamic resolution, 3-D rotary positions, Qwen's function-calling convention."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor, PreTrainedModel
from transformers.image_utils import SizeDict
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from visionthink_pl.families.base import Family, Message, Pixels

NO_LIMIT = 10**9  # pixels
VISION_TOKENS = (
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


class Qwen2_5VL(Family):
    """Qwen2.5-VL in any size.

    The processor's own pixel limits are opened: how large an image may be is decided once, in
    ``images.PixelLimits``, and a processor that enlarged the first look, or shrank the second,
    would undo it.
    """

    lora_targets = r".*language_model\..*\.(q|k|v|o|gate|up|down)_proj"
    vision_tower = "model.visual"

    @classmethod
    def from_pretrained(cls, path: str | Path) -> Qwen2_5VL:
        family = cls(AutoProcessor.from_pretrained(str(path)))
        image_processor = family.processor.image_processor
        side = image_processor.patch_size * image_processor.merge_size
        image_processor.size = SizeDict(shortest_edge=side * side, longest_edge=NO_LIMIT)
        return family

    def load_model(self, path: str | Path, dtype: torch.dtype, attention: str) -> PreTrainedModel:
        implementations = {"text_config": attention, "vision_config": "sdpa", "": "sdpa"}
        model = AutoModelForImageTextToText.from_pretrained(
            str(path), dtype=dtype, attn_implementation=implementations
        )
        return model.requires_grad_(False).eval()

    @cached_property
    def end_of_turn_id(self) -> int:
        return self.token_id("<|im_end|>")

    @cached_property
    def pad_id(self) -> int:
        return self.token_id("<|endoftext|>")

    @cached_property
    def image_token_id(self) -> int:
        return self.token_id("<|image_pad|>")

    def never_sampled(self, vocab_size: int) -> Tensor:
        mask_V = torch.zeros(vocab_size, dtype=torch.bool)
        mask_V[len(self.tokenizer) :] = True
        mask_V[[self.token_id(token) for token in VISION_TOKENS]] = True
        mask_V[self.pad_id] = True
        return mask_V

    def render(self, messages: Sequence[Message], generation_prompt: bool) -> str:
        return self.processor.apply_chat_template(
            list(messages), add_generation_prompt=generation_prompt, tokenize=False
        )

    def encode(self, text: str, images: Sequence[Image.Image]) -> list[int]:
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        counts = iter([self.visual_tokens(image) for image in images])
        placeholders = ids.count(self.image_token_id)
        if placeholders != len(images):
            raise ValueError(f"{placeholders} image placeholders for {len(images)} images")
        return [
            token
            for i in ids
            for token in ([i] * next(counts) if i == self.image_token_id else [i])
        ]

    def visual_tokens(self, image: Image.Image) -> int:
        image_processor = self.processor.image_processor
        side = image_processor.patch_size * image_processor.merge_size
        height, width = smart_resize(
            image.height,
            image.width,
            factor=side,
            min_pixels=image_processor.size["shortest_edge"],
            max_pixels=image_processor.size["longest_edge"],
        )
        return (height // side) * (width // side)

    def pixels(self, images: Sequence[Image.Image]) -> Pixels:
        out = self.processor.image_processor(images=list(images), return_tensors="pt")
        return Pixels(out["pixel_values"], out["image_grid_thw"])

    def image_features(self, model: PreTrainedModel, pixels: Pixels) -> Sequence[Tensor]:
        return model.model.get_image_features(pixels.values, pixels.grid_thw).pooler_output

    def hidden(
        self, model: PreTrainedModel, embeds_NTD: Tensor, positions_3NT: Tensor, **attention: Any
    ) -> Tensor:
        cache, mask = attention.pop("cache", None), attention.pop("mask", None)
        return model.model.language_model(
            inputs_embeds=embeds_NTD,
            position_ids=positions_3NT,
            attention_mask={"full_attention": mask},
            past_key_values=cache,
            use_cache=cache is not None,
            **attention,
        ).last_hidden_state

    def positions(
        self, model: PreTrainedModel, ids_NT: Tensor, attention_NT: Tensor, grid_thw: Tensor | None
    ) -> Tensor:
        positions_3NT, _ = model.model.get_rope_index(
            input_ids=ids_NT,
            mm_token_type_ids=(ids_NT == self.image_token_id).int(),
            image_grid_thw=grid_thw,
            attention_mask=attention_NT,
        )
        return positions_3NT
