"""Advantages against values worked out by hand."""

import math
from typing import get_args

import pytest
import torch

from visionthink_pl.training.advantages import EPSILON, Normalisation, group_advantages, has_signal

VALUES = (0.1, 1 / 3, 0.3, 1e-8, 1.1, 1.5, 123.456, 1e6 / 7, 0.0)  # few of which are binary


def test_hand_computed_with_the_unbiased_std() -> None:
    rewards_G = torch.tensor([1.5, 0.5, 0.5, 0.5], dtype=torch.float64)
    # mean 0.75, squared deviations 0.5625 + 3 * 0.0625 = 0.75, over 3: std 0.5
    expected_G = torch.tensor([1.5, -0.5, -0.5, -0.5], dtype=torch.float64) * 0.5 / (0.5 + EPSILON)
    torch.testing.assert_close(group_advantages(rewards_G), expected_G)


def test_a_penalty_alone_weighs_as_much_as_correctness_unless_the_std_has_a_floor() -> None:
    by_penalty_G = torch.tensor([1.5, 1.4], dtype=torch.float64)
    by_accuracy_G = torch.tensor([1.5, 0.5], dtype=torch.float64)
    plain = group_advantages(by_penalty_G)[0] / group_advantages(by_accuracy_G)[0]
    assert plain.item() == pytest.approx(1, abs=1e-4)
    floored_G = group_advantages(by_penalty_G, std_floor=0.5)
    assert floored_G[0].item() == pytest.approx(0.05 / 0.5, abs=1e-6)
    above_G = group_advantages(by_accuracy_G, std_floor=0.5)
    torch.testing.assert_close(above_G, group_advantages(by_accuracy_G))


def test_without_the_std_and_against_the_others() -> None:
    rewards_G = torch.tensor([1.5, 0.5, 0.5, 0.5], dtype=torch.float64)
    difference_G = torch.tensor([0.75, -0.25, -0.25, -0.25], dtype=torch.float64)
    torch.testing.assert_close(group_advantages(rewards_G, "mean"), difference_G)
    # 1.5 - 0.5, and 0.5 - (1.5 + 0.5 + 0.5) / 3
    others_G = torch.tensor([1.0, -1 / 3, -1 / 3, -1 / 3], dtype=torch.float64)
    torch.testing.assert_close(group_advantages(rewards_G, "leave_one_out"), others_G)


def test_advantages_sum_to_zero_and_do_not_move_with_the_rewards_offset() -> None:
    rewards_G = torch.rand(8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    advantages_G = group_advantages(rewards_G)
    assert advantages_G.sum().item() == pytest.approx(0, abs=1e-9)
    torch.testing.assert_close(group_advantages(rewards_G + 3), advantages_G)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("normalisation", get_args(Normalisation))
def test_equal_rewards_have_no_advantage(normalisation: Normalisation, dtype: torch.dtype) -> None:
    """Nor have those that were summed in another order: one unit in the last place apart."""
    for value in [sign * value for value in VALUES for sign in (1, -1)]:
        for size in range(2, 17):
            rewards_G = torch.full((size,), value, dtype=dtype)
            assert not group_advantages(rewards_G, normalisation).any(), (value, size)
            rewards_G[0] = torch.nextafter(rewards_G[0], rewards_G[0] + 1)
            assert not group_advantages(rewards_G, normalisation).any(), (value, size, "rounded")


def test_equal_rewards_have_no_advantage_on_random_values() -> None:
    generator = torch.Generator().manual_seed(0)
    for value in (10 ** (4 * torch.rand(300, generator=generator) - 2)).tolist():
        rewards_G = torch.full((8,), value)
        for normalisation in get_args(Normalisation):
            assert not group_advantages(rewards_G, normalisation).any(), value


@pytest.mark.parametrize("difference", [1e-5, 1e-3, 0.1])
def test_negative_control_a_small_difference_is_one(difference: float) -> None:
    rewards_G = torch.tensor([0.1 + difference, 0.1, 0.1, 0.1])
    for normalisation in get_args(Normalisation):
        advantages_G = group_advantages(rewards_G, normalisation)
        assert advantages_G[0] > 0 > advantages_G[1], normalisation
    assert advantages_G.dtype == torch.float32


def test_what_is_no_number_does_not_pass_for_equal() -> None:
    assert group_advantages(torch.tensor([math.nan, 1.0])).isnan().any()


@pytest.mark.parametrize("shape", [(1,), (0,), (2, 2)])
def test_what_is_no_group_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rewards of one group"):
        group_advantages(torch.zeros(shape))


@pytest.mark.parametrize(
    ("rewards", "signal", "why"),
    [
        ([1.5, 0.5], True, "they differ"),
        ([1.5, 1.4], True, "the penalty alone is a signal"),
        ([1.5, 1.5, 1.5], False, "all equal"),
        ([0.1 + 0.2, 0.3], False, "equal but for rounding"),
        ([1.5], False, "nobody to compare with"),
        ([], False, "nobody left"),
    ],
)
def test_has_signal(rewards: list[float], signal: bool, why: str) -> None:
    assert has_signal(rewards) is signal, why
