"""Visual tokens of images, cached until the vision tower changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel

from visionthink_pl.families import Family, Pixels


@dataclass(frozen=True)
class VisualTokens:
    """An image as the language model reads it.

    Attributes:
        values_LPD: its visual tokens, (levels, P, D), the levels as the family has them.
        size: what ``Pixels.sizes`` says of it, from which positions are made.
    """

    values_LPD: Tensor
    size: Tensor


class Prepared(NamedTuple):
    """An image that was preprocessed ahead, by a loader thread.

    Attributes:
        image: the very object that will be asked for.
        key: what it shows, as a digest.
        pixels: as the family makes them of it alone.
    """

    image: Image.Image
    key: bytes
    pixels: Pixels


def prepared(image: Image.Image, family: Family) -> Prepared:
    """Preprocess an image; safe in any thread."""
    return Prepared(image, _digest(image), family.pixels([image]))


def _digest(image: Image.Image) -> bytes:
    """Hash of an image's pixels, mode and size."""
    shown = f"{image.mode} {image.size} ".encode() + image.tobytes()
    return hashlib.blake2b(shown).digest()


class ImageFeatures:
    """Visual tokens of images, each distinct image through the tower once.

    Images are the same where their pixels are: two questions about one picture share its tokens.
    What was computed is kept until ``clear``, which the module calls at the end of each step. A
    tower that is trained is run anew wherever gradients flow.

    Args:
        model: whose tower is used.
        family: its family.
    """

    def __init__(self, model: PreTrainedModel, family: Family) -> None:
        self._model, self._family = model, family
        self._kept: dict[bytes, VisualTokens] = {}
        self._keys: dict[int, tuple[Image.Image, bytes]] = {}  # of image objects seen before
        self._ready: dict[bytes, Pixels] = {}

    def offer(self, images: Sequence[Prepared]) -> None:
        """Keep images that were preprocessed ahead until ``clear``."""
        for image, key, pixels in images:
            self._keys[id(image)] = image, key
            self._ready[key] = pixels

    def __call__(self, images: Sequence[Image.Image]) -> list[VisualTokens]:
        """The visual tokens of each image, in order."""
        keys = [self._key(image) for image in images]
        distinct = dict(zip(keys, images, strict=True))
        if torch.is_grad_enabled() and self._tower_trains():
            fresh = self.compute(distinct)
            return [fresh[key] for key in keys]
        with torch.no_grad():
            self._kept |= self.compute({k: v for k, v in distinct.items() if k not in self._kept})
        return [self._kept[key] for key in keys]

    def clear(self) -> None:
        """Drop all: at the end of a step, and whenever the tower has changed."""
        self._kept.clear()
        self._keys.clear()
        self._ready.clear()

    def _key(self, image: Image.Image) -> bytes:
        """The digest of an image; computed once an object."""
        if id(image) not in self._keys:
            self._keys[id(image)] = image, _digest(image)
        return self._keys[id(image)][1]

    def compute(self, images: Mapping[bytes, Image.Image]) -> dict[bytes, VisualTokens]:
        """Run the tower over distinct images, by their digests."""
        if not images:
            return {}
        pixels = self._pixels(images)
        values = self._family.image_features(self._model, pixels.to(self._model.device))
        tokens = map(VisualTokens, values, pixels.sizes)
        return dict(zip(images, tokens, strict=True))

    def _pixels(self, images: Mapping[bytes, Image.Image]) -> Pixels:
        """Preprocessed pixels of all images; dropped at once where the tower is frozen."""
        if self._ready.keys().isdisjoint(images):
            return self._family.pixels(list(images.values()))
        parts = [self._ready.get(key) or self._family.pixels([im]) for key, im in images.items()]
        if not self._tower_trains():
            self._ready = {key: kept for key, kept in self._ready.items() if key not in images}
        values = torch.cat([part.values for part in parts])
        return Pixels(values, torch.cat([part.sizes for part in parts]))

    def _tower_trains(self) -> bool:
        tower = self._model.get_submodule(self._family.vision_tower)
        return any(parameter.requires_grad for parameter in tower.parameters())
