"""What a booked operation costs."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from visionthink_pl.commands.plan.ledger import Ledger


def test_attention_counts_as_its_products_where_heads_share_keys() -> None:
    query, key, value = (torch.randn(2, heads, 24, 16, requires_grad=True) for heads in (8, 2, 2))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as products:
        scaled_dot_product_attention(query, key, value, enable_gqa=True).sum().backward()
    ledger = Ledger(lambda func, tensor: "any")
    with ledger:
        out = scaled_dot_product_attention(query, key, value, enable_gqa=True)
        forward = ledger.total_flops
        out.sum().backward()
    assert forward == 2 * 2 * (2 * 8 * 24 * 24 * 16)
    recomputed = forward // 2  # scores, which the products have kept
    assert ledger.total_flops == products.get_total_flops() + recomputed
