"""What a vision tower and a language model read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pixels:
    """Images as a vision tower takes them.

    Attributes:
        values: normalised; those of one image after another along the first dimension, whose
            length is the family's affair, as are further dimensions.
        sizes: (images, any number of columns): what tells the images in ``values`` apart, and what
            their positions are made from; with Qwen patches in time, height and width.
    """

    values: Tensor
    sizes: Tensor

    def to(self, device: torch.device) -> Pixels:
        return Pixels(self.values.to(device), self.sizes.to(device))


@dataclass(frozen=True)
class Embedded:
    """Tokens as the language model reads them.

    Attributes:
        values_NTD: their embeddings, visual tokens at their placeholders.
        visual_NT1: where those stand.
        deep: what is added to them behind each of the first layers, where the tower has more than
            one level; each of shape (P, D), P over all visual tokens in the order of their places.
    """

    values_NTD: Tensor
    visual_NT1: Tensor
    deep: Sequence[Tensor] = ()
