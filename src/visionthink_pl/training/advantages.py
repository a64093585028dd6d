"""Group-relative advantages: pure functions (paper, Eq. 2)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

EPSILON = 1e-6  # in units of reward: rewards that differ by no more are equal
ROUNDINGS = 8  # units in the last place that a sum of a few parts may be off

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
    ``G / (G - 1) * (r_i - mean)`` (Ahmadian et al., "Back to Basics"). Where all rewards are
    equal, or differ by rounding alone, advantages are exactly 0: the mean of equal rewards is
    itself rounded, and the 1e-6 would make that look like a difference.

    Args:
        rewards_G: rewards of one group, at least two.
        normalisation: ``std``, ``mean`` or ``leave_one_out``.
        std_floor: the least std that rewards are divided by, in units of reward, for ``std``.

    Returns:
        Advantages of shape (G,), computed in fp64, in the dtype of the rewards.

    Raises:
        ValueError: a group of fewer than two has no mean to compare with.
    """
    if rewards_G.ndim != 1 or len(rewards_G) < 2:
        raise ValueError(f"rewards of one group of two or more, not shape {tuple(rewards_G.shape)}")
    if _equal(rewards_G):
        return torch.zeros_like(rewards_G)
    exact_G = rewards_G.double()
    advantages_G = exact_G - exact_G.mean()
    if normalisation == "leave_one_out":
        advantages_G = advantages_G * len(rewards_G) / (len(rewards_G) - 1)
    elif normalisation == "std":
        advantages_G = advantages_G / (exact_G.std().clamp(min=std_floor) + EPSILON)
    return advantages_G.to(rewards_G.dtype)


def has_signal(rewards: list[float]) -> bool:
    """Whether a group teaches anything: two trajectories or more, and not all rewards equal."""
    if len(rewards) < 2:
        return False
    return not _equal(torch.tensor(rewards, dtype=torch.float64))


def _equal(rewards_G: Tensor) -> bool:
    """Whether rewards differ by rounding at most; never so where one is no number."""
    rounding = ROUNDINGS * torch.finfo(rewards_G.dtype).eps * rewards_G.abs().max().item()
    spread = (rewards_G.max() - rewards_G.min()).item()
    return spread <= max(EPSILON, rounding)
