"""The one distribution over ids that sampling, policy and reference log-probs all use."""

from __future__ import annotations

import torch
from torch import Tensor


def log_distribution(logits: Tensor, never_sampled_V: Tensor, temperature: float) -> Tensor:
    """Log-probabilities in fp32, shape as ``logits`` (..., V).

    Args:
        logits: what the head returns.
        never_sampled_V: ids that get probability 0.
        temperature: divides the logits; above 0.
    """
    masked = logits.float().masked_fill(never_sampled_V, float("-inf"))
    return torch.log_softmax(masked / temperature, dim=-1)
