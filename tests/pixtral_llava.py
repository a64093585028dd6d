"""LLaVA with a Pixtral tower: an image is rows of visual tokens, with a token behind each row."""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel

from visionthink_pl.families import Embedded, Family, Pixels
from visionthink_pl.images import Size

NO_LIMIT = 10**6  # pixels of the longest side


class PixtralLlava(Family):
    """A language model built like Llama's. One visual token covers 16 x 16 pixels."""

    model_type = "llava"
    end_of_turn = "</s>"
    pad = "<pad>"
    placeholder = "[IMG]"
    vision_tokens = ("[IMG]", "[IMG_BREAK]", "[IMG_END]")
    call_tags = ("<tool_call>", "</tool_call>")
    response_tags = ("<tool_response>", "</tool_response>")
    lora_targets = r".*language_model\..*\.(q|k|v|o|gate|up|down)_proj"
    vision_tower = "model.vision_tower"

    def lift_limits(self) -> None:
        self.processor.image_processor.size = {"longest_edge": NO_LIMIT}

    def grid(self, image: Image.Image | Size) -> tuple[int, int]:
        """Visual tokens in width and in height."""
        side = self.processor.patch_size
        return -(-image.width // side), -(-image.height // side)

    def visual_tokens(self, image: Image.Image | Size) -> int:
        columns, rows = self.grid(image)
        return columns * rows

    def image_ids(self, image: Image.Image | Size) -> list[int]:
        columns, rows = self.grid(image)
        row = [self.image_token_id] * columns + [self.token_id("[IMG_BREAK]")]
        return (row * rows)[:-1] + [self.token_id("[IMG_END]")]

    def pixels(self, images: Sequence[Image.Image]) -> Pixels:
        out = self.processor.image_processor(images=list(images), return_tensors="pt")
        sizes = out["image_sizes"]  # in pixels, without what fills them up to the largest
        values = [
            padded[:, :height, :width].flatten(1).T  # (pixels, 3)
            for padded, (height, width) in zip(out["pixel_values"], sizes.tolist(), strict=True)
        ]
        return Pixels(torch.cat(values), sizes)

    def image_features(self, model: PreTrainedModel, pixels: Pixels) -> Sequence[Tensor]:
        features = []
        each = pixels.values.split(pixels.sizes.prod(1).tolist())
        for values, size in zip(each, pixels.sizes.tolist(), strict=True):
            image = values.T.reshape(1, 3, *size)
            out = model.model.get_image_features(image, image_sizes=[size])
            features.append(out.pooler_output[0][None])  # one level
        return features

    def hidden(
        self,
        model: PreTrainedModel,
        embedded: Embedded,
        positions_ANT: Tensor,
        **attention: Any,
    ) -> Tensor:
        cache, mask = attention.pop("cache", None), attention.pop("mask", None)
        text, states_NTD = model.model.language_model, embedded.values_NTD
        rotary = text.rotary_emb(states_NTD, positions_ANT[0])
        for layer in text.layers:
            states_NTD = layer(
                states_NTD,
                position_embeddings=rotary,
                attention_mask=mask,
                cache=cache,
                **attention,
            )
        return text.norm(states_NTD)
