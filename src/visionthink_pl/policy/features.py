"""What the vision tower makes of an image, computed once for as long as the tower stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel

from visionthink_pl.families import Family


@dataclass(frozen=True)
class VisualTokens:
    """One image as the language model takes it.

    Attributes:
        values_PD: its visual tokens.
        grid_thw_3: its patches in time, height and width, from which positions are made.
    """

    values_PD: Tensor
    grid_thw_3: Tensor


class ImageFeatures:
    """Visual tokens of images, each distinct image through the tower once.

    Images are told apart by identity: the trajectories of a group show the same objects. What was
    computed is kept until ``clear``, which the module calls at the end of each step. A tower that
    is trained is run anew wherever gradients flow.

    Args:
        model: whose tower is used.
        family: its family.
    """

    def __init__(self, model: PreTrainedModel, family: Family) -> None:
        self._model, self._family = model, family
        self._kept: dict[int, tuple[Image.Image, VisualTokens]] = {}

    def __call__(self, images: Sequence[Image.Image]) -> list[VisualTokens]:
        """The visual tokens of each image, in order."""
        distinct = list({id(image): image for image in images}.values())
        if torch.is_grad_enabled() and self._tower_trains():
            fresh = dict(zip(map(id, distinct), self._run(distinct), strict=True))
            return [fresh[id(image)] for image in images]
        missing = [image for image in distinct if id(image) not in self._kept]
        if missing:
            with torch.no_grad():
                tokens = self._run(missing)
            self._kept |= {
                id(image): (image, seen) for image, seen in zip(missing, tokens, strict=True)
            }
        return [self._kept[id(image)][1] for image in images]

    def clear(self) -> None:
        """Forget all: at the end of a step, and whenever the tower has changed."""
        self._kept.clear()

    def _run(self, images: Sequence[Image.Image]) -> list[VisualTokens]:
        pixels = self._family.pixels(images)
        values = self._family.image_features(self._model, pixels.to(self._model.device))
        return [
            VisualTokens(values_PD, grid_thw_3)
            for values_PD, grid_thw_3 in zip(values, pixels.grid_thw, strict=True)
        ]

    def _tower_trains(self) -> bool:
        tower = self._model.get_submodule(self._family.vision_tower)
        return any(parameter.requires_grad for parameter in tower.parameters())
