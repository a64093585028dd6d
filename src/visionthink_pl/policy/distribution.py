"""The one distribution over ids that sampling, policy and reference log-probs all use."""

from __future__ import annotations

import torch
from torch import Tensor


def log_distribution(logits: Tensor, excluded: Tensor, temperature: float) -> Tensor:
    """Log-probabilities in fp32, shape as ``logits`` (..., V).

    Args:
        logits: what the head returns.
        excluded: ids that get probability 0, shape (V,) or as ``logits``.
        temperature: divides the logits; above 0.
    """
    masked = logits.float().masked_fill(excluded, float("-inf"))
    return torch.log_softmax(masked / temperature, dim=-1)
