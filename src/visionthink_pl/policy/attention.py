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
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

SHARED_PREFIX = "visionthink_shared_prefix"  # the name that transformers knows it by


@dataclass(frozen=True)
class Segment:
    """One packed group.

    Attributes:
        prompt: places of the prompt in the packed sequence.
        rows_GS: places of each continuation's tokens, padded with the place of its first.
        real_GS: true on those that are no padding.
        mask_SL: what the s-th token of a continuation sees of [prompt; continuation].
    """

    prompt: slice
    rows_GS: Tensor
    real_GS: Tensor
    mask_SL: Tensor


def segment(start: int, prompt: int, rows: Sequence[int], device: torch.device) -> Segment:
    """The segment at ``start``: a prompt of that many tokens, continuations of those lengths."""
    places, place = [], start + prompt
    for length in rows:
        places.append(torch.arange(place, place + length, device=device))
        place += length
    lengths_G = torch.tensor(rows, device=device)
    rows_GS = pad_sequence(places, batch_first=True, padding_value=start + prompt)
    step_S = torch.arange(rows_GS.shape[1], device=device)
    own_SS = step_S[None, :] <= step_S[:, None]
    return Segment(
        prompt=slice(start, start + prompt),
        rows_GS=rows_GS,
        real_GS=step_S < lengths_G[:, None],
        mask_SL=torch.cat([own_SS.new_ones(len(step_S), prompt), own_SS], 1),
    )


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    segments: Sequence[Segment] | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention as transformers calls it; without ``segments`` it is SDPA.

    Args:
        module: the attention layer.
        query: (N, heads, T, width of a head); N is 1 where ``segments`` are given.
        key: (N, key heads, T, width of a head).
        value: as ``key``.
        attention_mask: of SDPA.
        segments: how T is packed, in order and without gaps.
        kwargs: ``scaling`` among them.

    Returns:
        (N, T, heads, width of a head).
    """
    if segments is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    repeats = query.shape[1] // key.shape[1]
    q, k, v = query[0], repeat_kv(key, repeats)[0], repeat_kv(value, repeats)[0]
    parts = [part for s in segments for part in _attend_segment(q, k, v, s, kwargs["scaling"])]
    return torch.cat(parts)[None], None


def _attend_segment(
    q: Tensor, k: Tensor, v: Tensor, segment: Segment, scale: float
) -> Iterator[Tensor]:
    """The prompt's output and then the continuations', each (tokens, heads, width)."""
    prompt_q, prompt_k, prompt_v = (x[None, :, segment.prompt] for x in (q, k, v))
    out = scaled_dot_product_attention(prompt_q, prompt_k, prompt_v, is_causal=True, scale=scale)
    yield out[0].transpose(0, 1)
    q, k, v = (x[:, segment.rows_GS].transpose(0, 1) for x in (q, k, v))
    group = len(segment.rows_GS)
    k = torch.cat([prompt_k.expand(group, -1, -1, -1), k], 2)
    v = torch.cat([prompt_v.expand(group, -1, -1, -1), v], 2)
    out = scaled_dot_product_attention(q, k, v, attn_mask=segment.mask_SL, scale=scale)
    yield out.transpose(1, 2)[segment.real_GS]


AttentionInterface.register(SHARED_PREFIX, attend)
AttentionMaskInterface.register(SHARED_PREFIX, sdpa_mask)
