"""Attention over packed groups: the shared prompt once, each continuation behind it.

A group is packed as [prompt | continuation 1 | ... | continuation G]. The prompt attends to itself,
causally; a continuation to the whole prompt and, causally, to itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from transformers import AttentionInterface, AttentionMaskInterface

from visionthink_pl.internals.transformers import sdpa_attention_forward, sdpa_mask

SHARED_PREFIX = "visionthink_shared_prefix"  # the name that transformers knows it by
ALIKE = 1.25  # continuations are padded together where the longest is at most this much longer


@dataclass(frozen=True)
class Continuations:
    """Continuations of one prompt, of similar lengths, padded to the longest.

    Attributes:
        places_GS: places of their tokens in the packed sequence, padded with that of the first.
        real_R: which of places_GS, flattened, are no padding.
        mask_SL: what the s-th token sees of [prompt; continuation].
    """

    places_GS: Tensor
    real_R: Tensor
    mask_SL: Tensor


@dataclass(frozen=True)
class Segment:
    """One packed group: the places of its prompt, and its continuations."""

    prompt: slice
    rows: list[Continuations]


@dataclass(frozen=True)
class Packing:
    """How a sequence is packed.

    Attributes:
        segments: its groups, in order and without gaps.
        restore_T: brings what segments put out, prompt and then rows, back into packed order.
    """

    segments: list[Segment]
    restore_T: Tensor


def packing(groups: Sequence[tuple[int, Sequence[int]]], device: torch.device) -> Packing:
    """Lay out groups one after another.

    Args:
        groups: for each, the length of its prompt and those of its continuations.
        device: of the indices.
    """
    segments, start = [], 0
    for prompt, lengths in groups:
        segments.append(_segment(start, prompt, lengths, device))
        start += prompt + sum(lengths)
    put_out = [
        part
        for s in segments
        for part in (
            torch.arange(s.prompt.start, s.prompt.stop, device=device),
            *(rows.places_GS.flatten()[rows.real_R] for rows in s.rows),
        )
    ]
    return Packing(segments, torch.cat(put_out).argsort())


def _segment(start: int, prompt: int, lengths: Sequence[int], device: torch.device) -> Segment:
    place = start + prompt
    places = []
    for length in lengths:
        places.append(torch.arange(place, place + length, device=device))
        place += length
    batches: list[list[Tensor]] = []
    for row in sorted(places, key=len):
        if not batches or len(row) > ALIKE * len(batches[-1][0]):
            batches.append([])
        batches[-1].append(row)
    return Segment(slice(start, start + prompt), [_rows(batch, prompt) for batch in batches])


def _rows(places: list[Tensor], prompt: int) -> Continuations:
    lengths_G = torch.tensor([len(row) for row in places], device=places[0].device)
    first = int(places[0][0])
    places_GS = pad_sequence(places, batch_first=True, padding_value=first)
    step_S = torch.arange(places_GS.shape[1], device=places_GS.device)
    own_SS = step_S <= step_S[:, None]
    mask_SL = torch.cat([own_SS.new_ones(len(step_S), prompt), own_SS], 1)
    real_R = (step_S < lengths_G[:, None]).flatten().nonzero()[:, 0]
    return Continuations(places_GS, real_R, mask_SL)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    packing: Packing | None = None,
    places_NT: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention as transformers calls it; without ``packing`` or ``places_NT`` it is SDPA.

    Args:
        module: the attention layer.
        query: (N, heads, T, width of a head); N is 1 where a packing is given.
        key: (N, key heads, T, width of a head).
        value: as ``key``.
        attention_mask: of SDPA.
        packing: how T is packed.
        places_NT: where in its row of keys each query stands; it sees all up to there.
        kwargs: ``scaling`` among them.

    Returns:
        (N, T, heads, width of a head).
    """
    if packing is None and places_NT is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    repeats = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
    if packing is None:
        assert places_NT is not None
        return _attend_from(query, key, value, places_NT, kwargs["scaling"]), None
    qkv = query[0], key[0], value[0]
    parts = [part for s in packing.segments for part in _attend_segment(qkv, s, kwargs["scaling"])]
    return torch.cat(parts)[None, packing.restore_T], None


def _attend_from(
    query: Tensor, key: Tensor, value: Tensor, places_NT: Tensor, scale: float
) -> Tensor:
    """Queries at places of their own, by the causal kernel: it starts queries and keys at one
    corner, so that nothing asks where no query stands."""
    row_N1 = torch.arange(len(query), device=query.device)[:, None]
    spread = query.new_zeros(*query.shape[:2], *key.shape[2:])
    spread.transpose(1, 2)[row_N1, places_NT] = query.transpose(1, 2)
    out = scaled_dot_product_attention(spread, key, value, is_causal=True, scale=scale)
    return out.transpose(1, 2)[row_N1, places_NT]


def _attend_segment(
    qkv: tuple[Tensor, Tensor, Tensor], segment: Segment, scale: float
) -> Iterator[Tensor]:
    """The prompt's output and then the continuations', each (tokens, heads, width)."""
    prompt_q, prompt_k, prompt_v = (x[None, :, segment.prompt] for x in qkv)
    out = scaled_dot_product_attention(prompt_q, prompt_k, prompt_v, is_causal=True, scale=scale)
    yield out[0].transpose(0, 1)
    for rows in segment.rows:
        q, k, v = (x[:, rows.places_GS].transpose(0, 1) for x in qkv)
        k, v = _behind(prompt_k, k), _behind(prompt_v, v)
        if q.shape[2] > prompt_q.shape[2]:
            # A causal kernel skips what lies above the diagonal. It starts both at one corner, so
            # the prompt asks once more; for long continuations that costs less than a mask.
            q = _behind(prompt_q, q)
            out = scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
            out = out[:, :, prompt_q.shape[2] :]
        else:
            out = scaled_dot_product_attention(q, k, v, attn_mask=rows.mask_SL, scale=scale)
        yield out.transpose(1, 2).flatten(0, 1)[rows.real_R]


def _behind(prompt: Tensor, rows: Tensor) -> Tensor:
    """Attention of continuations to [prompt; themselves]."""
    return torch.cat([prompt.expand(len(rows), -1, -1, -1), rows], 2)


# In 16 bits on a GPU torch prefers cuDNN's attention, which plans anew for each shape, and packed
# rows bring new shapes in every micro-batch: on an H200 an update of the quickstart took 1.06 s
# with it and 0.25 s without (docs/performance.md).
torch.backends.cuda.enable_cudnn_sdp(False)

AttentionInterface.register(SHARED_PREFIX, attend)
AttentionMaskInterface.register(SHARED_PREFIX, sdpa_mask)
