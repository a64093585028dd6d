"""Attention from places in a row of keys, against the mask that says the same."""

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers.integrations.sdpa_attention import repeat_kv

from visionthink_pl.policy.attention import attend


@pytest.mark.equivalence
def test_queries_at_places_of_their_own() -> None:
    """Two rows with histories of 3 and 5 keys, blocks of 6; two query heads a key head."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 4, 6, 8, generator=generator)
    key, value = (torch.randn(2, 2, 12, 8, generator=generator) for _ in range(2))
    places_NT = torch.tensor([[3], [5]]) + torch.arange(6)
    mask_N1TS = (torch.arange(12) <= places_NT[..., None])[:, None]
    expected = scaled_dot_product_attention(
        query, repeat_kv(key, 2), repeat_kv(value, 2), attn_mask=mask_N1TS, scale=0.3
    ).transpose(1, 2)
    found, _ = attend(nn.Identity(), query, key, value, None, places_NT=places_NT, scaling=0.3)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    off_by_one, _ = attend(
        nn.Identity(), query, key, value, None, places_NT=places_NT - 1, scaling=0.3
    )
    assert (off_by_one - expected).abs().max() > 0.01
