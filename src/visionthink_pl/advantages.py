"""Group-relative advantages: pure functions (paper, Eq. 2)."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-6


def group_advantages(rewards_G: Tensor, std_floor: float = 0.0) -> Tensor:
    """How much better than its group each trajectory did, in standard deviations.

    ``A_i = (r_i - mean) / (max(std, std_floor) + 1e-6)``, with the unbiased std. The floor is
    ours: without it a group that is all correct, and differs by the resize penalty of 0.1
    alone, gets advantages as large as one that differs in correctness.

    Args:
        rewards_G: rewards of one group, at least two.
        std_floor: the least std that rewards are divided by, in units of reward.

    Returns:
        Advantages of shape (G,).

    Raises:
        ValueError: a group of fewer than two has no mean to compare with.
    """
    if rewards_G.ndim != 1 or len(rewards_G) < 2:
        raise ValueError(f"rewards of one group of two or more, not shape {tuple(rewards_G.shape)}")
    centred_G = rewards_G - rewards_G.mean()
    return centred_G / (rewards_G.std().clamp(min=std_floor) + EPSILON)


def has_signal(rewards: list[float]) -> bool:
    """Whether a group teaches anything: two trajectories or more, and not all rewards equal."""
    if len(rewards) < 2:
        return False
    rewards_G = torch.tensor(rewards, dtype=torch.float64)
    return bool((rewards_G.max() - rewards_G.min()) > EPSILON)
