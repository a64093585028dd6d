"""Intervals by the bootstrap, and a paired permutation test."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

RESAMPLES = 2000
FLIPS = 10_000
FEW = 12  # pairs of which all ways to flip them are tried
TAIL = 0.025


def resampled_means(values: Sequence[float], seed: int) -> Tensor:
    """Means of ``values`` drawn with replacement, shape (RESAMPLES,)."""
    values_N = torch.tensor(values, dtype=torch.float64)
    return values_N[_draws(len(values), seed)].mean(1)


def resampled(units: int, figure: Callable[[Sequence[int]], float], seed: int) -> Tensor:
    """The same for any figure.

    Args:
        units: how many there are; whole units are drawn.
        figure: of the units with these indices, some of them more than once.
        seed: of the draws.
    """
    figures = [figure(draw) for draw in _draws(units, seed).tolist()]
    return torch.tensor(figures, dtype=torch.float64)


def interval(figures_R: Tensor) -> tuple[float, float]:
    """The percentile bootstrap's 95% interval (Efron, 1979) of resampled figures."""
    ends = torch.tensor([TAIL, 1 - TAIL], dtype=torch.float64)
    low, high = torch.quantile(figures_R, ends).tolist()
    return low, high


def paired_test(differences: Sequence[float], seed: int) -> float:
    """p of "neither is better", two-sided: the sign-flip permutation test of the sum of paired
    differences (Fisher, 1935). Of ``FEW`` pairs or fewer all flips are tried, of more ``FLIPS``
    random ones.

    Args:
        differences: of the scores of each unit; those that are 0 change nothing.
        seed: of the flips.
    """
    values_N = torch.tensor([d for d in differences if d], dtype=torch.float64)
    count = len(values_N)
    if exact := count <= FEW:
        bits_FN = torch.arange(2**count)[:, None] >> torch.arange(count) & 1
    else:
        generator = torch.Generator().manual_seed(seed)
        bits_FN = torch.randint(2, (FLIPS, count), generator=generator)
    sums_F = (2.0 * bits_FN - 1).double() @ values_N
    as_far = int((sums_F.abs() >= values_N.sum().abs() * (1 - 1e-9)).sum())
    return as_far / 2**count if exact else (1 + as_far) / (1 + FLIPS)


def _draws(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(count, (RESAMPLES, count), generator=generator)
