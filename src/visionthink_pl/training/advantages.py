"""Group-relative advantages (paper, Eq. 2)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

from visionthink_pl.types import ConfigError, Group, RunStopped
from visionthink_pl.types.limits import NonNegativeFloat, limited

EPSILON = 1e-6  # in units of reward: rewards that differ by no more are equal
ROUNDINGS = 8  # units in the last place that a sum of a few parts may be off

OfSum = Literal["std", "mean", "leave_one_out"]
Normalisation = Literal["std", "mean", "leave_one_out", "parts"]


class Advantages(ABC):
    """How much better than its group each trajectory did."""

    @abstractmethod
    def __call__(self, rewards_G: Tensor, group: Group) -> Tensor:
        """Return one advantage for each trajectory of the group, shape (G,), or one for each of its
        turns, shape (G, T), T the most turns in the group.

        Args:
            rewards_G: rewards of the group, in fp64; two or more, not all equal.
            group: the sample, the trajectories, and in ``parts`` the unweighted rewards.
        """


class GroupNormalised(Advantages):
    """``group_advantages`` of the summed reward, or the sum over each part's own.

    Args:
        normalisation: ``std`` (the paper's), ``mean`` or ``leave_one_out``. With ``parts`` each
            part of the reward is normalised by its own std, and the weighted sum of that is the
            advantage (GDPO, arXiv 2601.05242): how much a part counts is its weight, whatever the
            others' std is. GDPO also divides by the std over the batch, which is left out: it
            scales a whole step.
        std_floor: the least std that is divided by, in units of reward, or of the unweighted part.
    """

    @limited()
    def __init__(
        self, normalisation: Normalisation = "std", std_floor: NonNegativeFloat = 0.0
    ) -> None:
        self.normalisation, self.std_floor = normalisation, std_floor

    def __call__(self, rewards_G: Tensor, group: Group) -> Tensor:
        if self.normalisation != "parts":
            return group_advantages(rewards_G, self.normalisation, self.std_floor)
        parts = [
            group.weights[name]
            * group_advantages(rewards_G.new_tensor(values), "std", self.std_floor)
            for name, values in group.parts.items()
        ]
        return torch.stack(parts).sum(0)


def chosen(
    advantages: Advantages | None, normalisation: Normalisation, std_floor: float
) -> Advantages:
    """The class that a config names, or ``GroupNormalised``.

    Raises:
        ConfigError: both are set.
    """
    if advantages is None:
        return GroupNormalised(normalisation, std_floor)
    if (normalisation, std_floor) != ("std", 0.0):
        raise ConfigError(
            f"model.advantages: {type(advantages).__name__} takes the place of normalisation and "
            "std_floor; leave these out"
        )
    return advantages


def checked(advantages: Advantages, advantages_G: object, group: Group) -> Tensor:
    """What a class returned, if it is one number for each trajectory, or for each turn.

    Raises:
        RunStopped: it is not.
    """
    count = len(group.trajectories)
    turns = max(len(trajectory.turns) for trajectory in group.trajectories)
    shape = tuple(advantages_G.shape) if isinstance(advantages_G, Tensor) else None
    if not isinstance(advantages_G, Tensor) or shape not in ((count,), (count, turns)):
        found = type(advantages_G).__name__ if shape is None else f"a tensor of shape {shape}"
        raise RunStopped(
            f"{type(advantages).__name__} returned {found} for {count} trajectories of sample "
            f"{group.sample.id!r}; return a tensor of shape ({count},), or ({count}, {turns}) with "
            "a number for each turn"
        )
    return advantages_G


def group_advantages(
    rewards_G: Tensor, normalisation: OfSum = "std", std_floor: float = 0.0
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
    """Whether rewards differ by rounding at most; never so where one is not finite."""
    rounding = ROUNDINGS * torch.finfo(rewards_G.dtype).eps * rewards_G.abs().max().item()
    spread = (rewards_G.max() - rewards_G.min()).item()
    return math.isfinite(spread) and spread <= max(EPSILON, rounding)
