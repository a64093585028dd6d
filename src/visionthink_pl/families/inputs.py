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
        values: (sum of P over the images, patch width), normalised.
        grid_thw: (images, 3), patches in time, height and width.
    """

    values: Tensor
    grid_thw: Tensor

    def to(self, device: torch.device) -> Pixels:
        return Pixels(self.values.to(device), self.grid_thw.to(device))


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
