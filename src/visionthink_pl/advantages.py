"""Group-relative advantages: pure functions (paper, Eq. 2)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

EPSILON = 1e-6

Normalisation = Literal["std", "mean", "leave_one_out"]


def group_advantages(
    rewards_G: Tensor, normalisation: Normalisation = "std", std_floor: float = 0.0
) -> Tensor:
    """How much better than its group each trajectory did.

    ``std`` is the paper's: ``A_i = (r_i - mean) / (max(std, std_floor) + 1e-6)``, with the
    unbiased std. The floor is ours: without it a group that is all correct, and differs by the
    resize penalty of 0.1 alone, gets advantages as large as one that differs in correctness.
    ``mean`` leaves the std out: ``r_i - mean`` (Liu et al., "Understanding R1-Zero-Like
    Training"). ``leave_one_out`` compares with the mean of the others, which is
    ``G / (G - 1) * (r_i - mean)`` (Ahmadian et al., "Back to Basics").

    Args:
        rewards_G: rewards of one group, at least two.
        normalisation: ``std``, ``mean`` or ``leave_one_out``.
        std_floor: the least std that rewards are divided by, in units of reward, for ``std``.

    Returns:
        Advantages of shape (G,).

    Raises:
        ValueError: a group of fewer than two has no mean to compare with.
    """
    if rewards_G.ndim != 1 or len(rewards_G) < 2:
        raise ValueError(f"rewards of one group of two or more, not shape {tuple(rewards_G.shape)}")
    centred_G = rewards_G - rewards_G.mean()
    if normalisation == "mean":
        return centred_G
    if normalisation == "leave_one_out":
        return centred_G * len(rewards_G) / (len(rewards_G) - 1)
    return centred_G / (rewards_G.std().clamp(min=std_floor) + EPSILON)


def has_signal(rewards: list[float]) -> bool:
    """Whether a group teaches anything: two trajectories or more, and not all rewards equal."""
    if len(rewards) < 2:
        return False
    rewards_G = torch.tensor(rewards, dtype=torch.float64)
    return bool((rewards_G.max() - rewards_G.min()) > EPSILON)
