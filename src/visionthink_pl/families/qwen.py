"""What Qwen's vision-language models have in common: dynamic resolution, 3-D rotary positions,
ChatML, Qwen's function-calling convention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from PIL import Image
from tokenizers import AddedToken
from torch import Tensor
from transformers import PreTrainedModel
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from visionthink_pl.families.base import Family
from visionthink_pl.families.inputs import Embedded, Pixels
from visionthink_pl.images import Size
from visionthink_pl.images.decoding import MAX_ASPECT_RATIO
from visionthink_pl.internals.transformers import SizeDict

NO_LIMIT = 10**9  # pixels


class Qwen(Family):
    """A Qwen vision-language model; what is said here holds for Qwen2-VL as it stands."""

    end_of_turn = "<|im_end|>"
    pad = "<|endoftext|>"
    placeholder = "<|image_pad|>"
    vision_tokens = (
        "<|vision_start|>",
        "<|vision_end|>",
        "<|vision_pad|>",
        "<|image_pad|>",
        "<|video_pad|>",
    )
    call_tags = ("<tool_call>", "</tool_call>")
    response_tags = ("<tool_response>", "</tool_response>")
    lora_targets = r".*language_model\..*\.(q|k|v|o|gate|up|down)_proj"
    vision_tower = "model.visual"

    def is_control(self, token: AddedToken) -> bool:
        """Also ``<|fim_prefix|>`` and the like, which are not flagged as special: what is not
        structure, such as ``<tool_call>``, is named without bars."""
        name = token.content
        return super().is_control(token) or (name.startswith("<|") and name.endswith("|>"))

    @property
    def side(self) -> int:
        """Pixels in width and height that one visual token covers."""
        return self.processor.image_processor.patch_size * self.processor.image_processor.merge_size

    def lift_limits(self) -> None:
        limits = SizeDict(shortest_edge=self.side**2, longest_edge=NO_LIMIT)
        self.processor.image_processor.size = limits

    def limit(self, max_pixels: int) -> None:
        # The processor compares behind rounding, which adds at most half a token's side to each
        # side; the more so, the longer the image.
        sides = (MAX_ASPECT_RATIO**0.5 + MAX_ASPECT_RATIO**-0.5) * max_pixels**0.5
        room = math.ceil(self.side / 2 * (sides + self.side / 2))
        limits = SizeDict(shortest_edge=self.side**2, longest_edge=max_pixels + room)
        self.processor.image_processor.size = limits

    def visual_tokens(self, image: Image.Image | Size) -> int:
        processor = self.processor.image_processor
        patches = processor.get_number_of_image_patches(image.height, image.width)
        return patches // processor.merge_size**2

    def seen(self, image: Image.Image | Size) -> Size:
        limits = self.processor.image_processor.size
        height, width = smart_resize(
            image.height, image.width, self.side, limits.shortest_edge, limits.longest_edge
        )
        return Size(width, height)

    def pixels(self, images: Sequence[Image.Image]) -> Pixels:
        out = self.processor.image_processor(images=list(images), return_tensors="pt")
        return Pixels(out["pixel_values"], out["image_grid_thw"])

    def image_features(self, model: PreTrainedModel, pixels: Pixels) -> Sequence[Tensor]:
        out = model.model.get_image_features(pixels.values, pixels.sizes)
        return [values_PD[None] for values_PD in out.pooler_output]

    def hidden(
        self,
        model: PreTrainedModel,
        embedded: Embedded,
        positions_ANT: Tensor,
        **attention: Any,
    ) -> Tensor:
        cache, mask = attention.pop("cache", None), attention.pop("mask", None)
        return model.model.language_model(
            inputs_embeds=embedded.values_NTD,
            position_ids=positions_ANT.expand(3, -1, -1),
            attention_mask={"full_attention": mask},
            cache=cache,
            use_cache=cache is not None,
            **attention,
        ).last_hidden_state

    def positions(
        self, model: PreTrainedModel, ids_NT: Tensor, attention_NT: Tensor, sizes: Tensor | None
    ) -> Tensor:
        """Three axes: time, height and width."""
        positions_3NT, _ = model.model.get_rope_index(
            input_ids=ids_NT,
            mm_token_type_ids=(ids_NT == self.image_token_id).int(),
            image_grid_thw=sizes,
            attention_mask=attention_NT,
        )
        return positions_3NT
