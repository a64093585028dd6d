"""A key-value cache whose rows have different lengths."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import Cache


class RaggedCache(Cache):
    """A preallocated cache in which every row is filled from the front, without holes.

    New keys are written behind a row's own last one; what stands behind its length is left over
    from padding, never looked at, and overwritten. Nothing is copied when a token is added.

    Args:
        rows: how many rows it has.
        capacity: tokens that a row can hold.
    """

    def __init__(self, rows: int, capacity: int) -> None:
        super().__init__(layers=[])  # of its own it has none: all are kept here, as (keys, values)
        self._rows, self.capacity = rows, capacity
        self._keys: list[Tensor] = []  # a layer: (N, capacity, key heads, width of a head)
        self._values: list[Tensor] = []
        self._rows_N: Tensor | None = None
        self._slots_NT = torch.empty(0)
        self._seen = 0

    def write_at(self, rows_N: Tensor | None, slots_NT: Tensor, seen: int) -> None:
        """Set where the next ``update`` of each layer writes and how much it returns.

        Args:
            rows_N: which rows; ``None`` for all.
            slots_NT: the place in its row of each new token.
            seen: how many tokens of each row are returned, from the front.
        """
        self._rows_N, self._slots_NT, self._seen = rows_N, slots_NT, seen

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write (N, key heads, T, width) and return (N, key heads, seen, width): views where all
        rows are meant."""
        key, value = key_states, value_states
        if layer_idx == len(self._keys):
            shape = self._rows, self.capacity, key.shape[1], key.shape[3]
            self._keys.append(key.new_zeros(shape))
            self._values.append(value.new_zeros(shape))
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        rows_N = self._rows_N
        to_N = torch.arange(len(keys), device=keys.device) if rows_N is None else rows_N
        keys[to_N[:, None], self._slots_NT] = key.transpose(1, 2)
        values[to_N[:, None], self._slots_NT] = value.transpose(1, 2)
        if rows_N is not None:
            keys, values = keys[rows_N, : self._seen], values[rows_N, : self._seen]
        return keys[:, : self._seen].transpose(1, 2), values[:, : self._seen].transpose(1, 2)

    def take(self, rows_N: Tensor, capacity: int) -> RaggedCache:
        """Copy rows, a row as often as it is named, into a new cache of this capacity.

        This cache is empty afterwards: it gives up each layer as it is copied, so that no more
        than one is held twice.
        """
        out = RaggedCache(len(rows_N), capacity)
        kept = min(self.capacity, capacity)
        for source, target in ((self._keys, out._keys), (self._values, out._values)):
            while source:
                layer = source.pop(0)
                rows = layer.new_zeros(len(rows_N), capacity, *layer.shape[2:])
                rows[:, :kept] = layer[rows_N, :kept]
                target.append(rows)
        return out
