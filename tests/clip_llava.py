"""LLaVA-1.5: its CLIP tower sees every image at one size."""

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel

from pixtral_llava import PixtralLlava
from visionthink_pl.families import Pixels
from visionthink_pl.images import Size


class ClipLlava(PixtralLlava):
    """The same language model behind another tower."""

    placeholder = "<image>"
    vision_tokens = ("<image>",)

    def lift_limits(self) -> None:
        """There are none: an image is resized and cropped to the one size."""

    def visual_tokens(self, image: Image.Image | Size) -> int:
        size = self.processor.image_processor.crop_size
        return (size["height"] // self.processor.patch_size) ** 2

    def image_ids(self, image: Image.Image | Size) -> list[int]:
        return [self.image_token_id] * self.visual_tokens(image)

    def pixels(self, images: Sequence[Image.Image]) -> Pixels:
        out = self.processor.image_processor(images=list(images), return_tensors="pt")
        values = out["pixel_values"]  # (images, 3, height, width)
        return Pixels(values, torch.tensor([values.shape[2:]] * len(values)))

    def image_features(self, model: PreTrainedModel, pixels: Pixels) -> Sequence[Tensor]:
        out = model.model.get_image_features(pixels.values)
        return [features_PD[None] for features_PD in out.pooler_output]
