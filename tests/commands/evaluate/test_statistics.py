"""The paired test and the intervals, against counting by hand and against their promises."""

import itertools
import math
import random

import pytest
import torch

from visionthink_pl.commands.evaluate.statistics import (
    FEW,
    interval,
    paired_test,
    resampled,
    resampled_means,
)


def by_hand(differences: list[float]) -> float:
    """All ways to flip the signs."""
    signs = itertools.product((-1, 1), repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(sign, differences, strict=True))) for sign in signs]
    return sum(total >= abs(sum(differences)) - 1e-9 for total in sums) / len(sums)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([], 1.0),
        ([0.0, 0.0], 1.0),
        ([1.0], 1.0),
        ([1.0, 1.0, 1.0], 0.25),  # 2 of 8
        ([1.0] * 6, 2 / 64),
        ([1.0, -1.0], 1.0),
        ([1.0] * 6 + [0.0] * 500, 2 / 64),  # those that agree change nothing
    ],
)
def test_few_pairs_are_counted(differences: list[float], p: float) -> None:
    assert paired_test(differences, seed=0) == pytest.approx(p)


@pytest.mark.parametrize("seed", range(5))
def test_few_pairs_of_any_values_are_counted(seed: int) -> None:
    rng = random.Random(seed)
    differences = [rng.choice([-1, -0.5, 0.25, 1]) for _ in range(rng.randint(2, FEW))]
    assert paired_test(differences, seed=0) == pytest.approx(by_hand(differences))


def test_many_pairs_follow_the_normal_approximation() -> None:
    """McNemar's: 30 against 10 of 400."""
    differences = [1.0] * 30 + [-1.0] * 10 + [0.0] * 360
    z = (20 - 1) / math.sqrt(40)  # corrected for continuity
    assert paired_test(differences, seed=0) == pytest.approx(math.erfc(z / math.sqrt(2)), abs=6e-4)


def test_where_neither_is_better_one_in_twenty_is_below_five_percent() -> None:
    generator = torch.Generator().manual_seed(0)
    trials = torch.randint(-1, 2, (300, 80), generator=generator).double()
    low = sum(paired_test(trial.tolist(), seed=0) <= 0.05 for trial in trials)
    assert 4 <= low <= 26  # 15 +- 3 std


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    generator = torch.Generator().manual_seed(0)
    trials = (torch.rand(300, 120, generator=generator) < 0.7).double()
    ends = [interval(resampled_means(trial.tolist(), seed=0)) for trial in trials]
    held = sum(low <= 0.7 <= high for low, high in ends)
    assert 0.91 * 300 <= held <= 0.985 * 300


def test_any_figure_of_units_is_drawn_as_its_mean_would_be() -> None:
    values = [0.0, 1.0, 1.0, 0.5, 0.25] * 8
    means = resampled(len(values), lambda draw: sum(values[i] for i in draw) / len(draw), seed=3)
    torch.testing.assert_close(means, resampled_means(values, seed=3))
    other = resampled_means(values, seed=4)
    assert not torch.equal(means, other)
