"""Trajectories as one padded batch for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from visionthink_pl.families import Family, Pixels
from visionthink_pl.types import Trajectory


@dataclass(frozen=True)
class ModelInputs:
    """A padded batch.

    Attributes:
        ids_NT: token ids.
        attention_NT: 1 on tokens, 0 on padding.
        positions_3NT: rotary positions in time, height and width.
        generated_NT: true on ids that the model generated.
        pixels: all images, row by row.
    """

    ids_NT: Tensor
    attention_NT: Tensor
    positions_3NT: Tensor
    generated_NT: Tensor
    pixels: Pixels


def collate(
    trajectories: Sequence[Trajectory],
    family: Family,
    model: PreTrainedModel,
    padding: Literal["left", "right"],
) -> ModelInputs:
    """Pad trajectories to one length: left to generate from them, right to train on them."""
    length = max(len(t.ids) for t in trajectories)
    pad_left = padding == "left"
    ids_NT = _pad([t.ids for t in trajectories], length, family.pad_id, pad_left)
    ones = [[1] * len(t.ids) for t in trajectories]
    attention_NT = _pad(ones, length, 0, pad_left)
    masks = [[int(m) for m in t.generated_mask] for t in trajectories]
    generated_NT = _pad(masks, length, 0, pad_left).bool()
    pixels = family.pixels([image for t in trajectories for image in t.images])
    positions_3NT = family.positions(model, ids_NT, attention_NT, pixels.grid_thw)
    device = model.device
    return ModelInputs(
        ids_NT.to(device),
        attention_NT.to(device),
        positions_3NT.to(device),
        generated_NT.to(device),
        pixels.to(device),
    )


def _pad(rows: Sequence[Sequence[int]], length: int, value: int, left: bool) -> Tensor:
    out_NT = torch.full((len(rows), length), value, dtype=torch.long)
    for out_T, row in zip(out_NT, rows, strict=True):
        start = length - len(row) if left else 0
        out_T[start : start + len(row)] = torch.tensor(row)
    return out_NT
