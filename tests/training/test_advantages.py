"""Advantages against values worked out by hand."""

import math
from typing import get_args

import pytest
import torch

from helpers import make_group, make_trajectory
from visionthink_pl.training.advantages import (
    EPSILON,
    GroupNormalised,
    OfSum,
    group_advantages,
    has_signal,
)
from visionthink_pl.types import Group

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
@pytest.mark.parametrize("normalisation", get_args(OfSum))
def test_equal_rewards_have_no_advantage(normalisation: OfSum, dtype: torch.dtype) -> None:
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
        for normalisation in get_args(OfSum):
            assert not group_advantages(rewards_G, normalisation).any(), value


@pytest.mark.parametrize("difference", [1e-5, 1e-3, 0.1])
def test_negative_control_a_small_difference_is_one(difference: float) -> None:
    rewards_G = torch.tensor([0.1 + difference, 0.1, 0.1, 0.1])
    for normalisation in get_args(OfSum):
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


def scored(parts: dict[str, list[float]], weights: dict[str, float]) -> Group:
    group = make_group([make_trajectory() for _ in next(iter(parts.values()))])
    group.parts, group.weights = {name: list(values) for name, values in parts.items()}, weights
    return group


def test_parts_are_normalised_one_by_one_and_then_summed() -> None:
    """By hand: of (1, 0, 0, 0) the mean is 1/4 and the std 1/2; of (-0.1, 0, 0, -0.1) -0.05 and
    0.1 / sqrt(3). A part that is alike in all has no say."""
    group = scored(
        {"accuracy": [1, 0, 0, 0], "format": [0.5] * 4, "price": [-0.1, 0, 0, -0.1]},
        {"accuracy": 1.0, "format": 1.0, "price": 0.5},
    )
    root = math.sqrt(3) / 2
    expected_G = torch.tensor([1.5 - root / 2, -0.5 + root / 2, -0.5 + root / 2, -0.5 - root / 2])
    found_G = GroupNormalised("parts")(torch.zeros(4, dtype=torch.float64), group)
    torch.testing.assert_close(found_G, expected_G.double(), atol=1e-4, rtol=0)


def test_of_one_part_it_is_the_std_s() -> None:
    values = [1.0, 0.25, 0.0, 0.0]
    rewards_G = torch.tensor(values, dtype=torch.float64)
    found_G = GroupNormalised("parts")(rewards_G, scored({"a": values}, {"a": 1.0}))
    assert torch.equal(found_G, group_advantages(rewards_G))


def test_a_small_part_alone_can_be_kept_small() -> None:
    """Of a price of 0.1 that one of eight pays the std is 0.035: blown up by itself, and as large
    as asked for by a weight, whatever the other parts do."""
    price = [-0.1, *[0.0] * 7]
    for accuracy in ([1.0] * 8, [0.0, *[1.0] * 7], [1.0] * 7 + [0.0]):
        group = scored({"accuracy": accuracy, "price": price}, {"accuracy": 1.0, "price": 0.2})
        sums_G = torch.tensor([a + p for a, p in zip(accuracy, price, strict=True)]).double()
        parted_G = GroupNormalised("parts")(sums_G, group)
        alone_G = group_advantages(torch.tensor(accuracy).double())
        by_price_G = 0.2 * group_advantages(torch.tensor(price).double())
        torch.testing.assert_close(parted_G - alone_G, by_price_G)
