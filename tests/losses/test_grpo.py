"""The loss against values worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch

from visionthink_pl.losses import GRPOLoss, LossInputs
from visionthink_pl.losses.grpo import kl_k3


def inputs(
    ratios, advantages, lengths, reference_gaps=None, trajectories=2, entropies=None
) -> LossInputs:
    """Tokens given by their probability ratio and by how far the reference lies from the policy."""
    old_K = torch.full((len(ratios),), -1.0, dtype=torch.float64)
    logprobs_K = (old_K + torch.tensor(ratios, dtype=torch.float64).log()).requires_grad_()
    reference_K = None
    if reference_gaps is not None:
        reference_K = logprobs_K.detach() + torch.tensor(reference_gaps, dtype=torch.float64)
    return LossInputs(
        logprobs_K,
        old_K,
        reference_K,
        None if entropies is None else torch.tensor(entropies, dtype=torch.float64),
        torch.tensor(advantages, dtype=torch.float64),
        torch.tensor(lengths),
        *[torch.zeros(len(ratios), dtype=torch.long)] * 3,
        trajectories,
        len(ratios),
    )


@pytest.mark.parametrize(
    ("ratio", "advantage", "gain", "why"),
    [
        (1.0, 2.0, 2.0, "inside the range nothing is clipped"),
        (1.5, 1.0, 1.3, "a good action can't gain beyond 1 + clip_high"),
        (1.5, -1.0, -1.5, "a bad action that became likelier pays in full"),
        (0.5, 1.0, 0.5, "a good action that became less likely is not propped up"),
        (0.5, -1.0, -0.8, "a bad action gains nothing below 1 - clip_low"),
    ],
)
def test_clipping(ratio: float, advantage: float, gain: float, why: str) -> None:
    loss = GRPOLoss(clip_low=0.2, clip_high=0.3, kl_coefficient=0)
    value, _ = loss(inputs([ratio], [advantage], [1], trajectories=1))
    assert value.item() == pytest.approx(-gain), why


def test_the_mean_is_taken_per_trajectory_and_then_over_trajectories() -> None:
    loss = GRPOLoss(kl_coefficient=0)
    value, figures = loss(inputs([1, 1, 1, 1], [3, 3, 3, -1], [3, 3, 3, 1]))
    assert value.item() == pytest.approx(-(3 + -1) / 2)  # not -(3 * 3 - 1) / 4
    assert figures["clip_fraction"].item() == 0


@pytest.mark.parametrize(
    ("aggregation", "expected", "why"),
    [
        ("trajectory", (3 + -1) / 2, "each trajectory weighs the same"),
        ("token", (3 * 3 - 1) / 4, "each token of the step weighs the same"),
        ("constant", (3 * 3 - 1) / (10 * 2), "each token weighs the same in every step"),
    ],
)
def test_aggregation(aggregation: str, expected: float, why: str) -> None:
    loss = GRPOLoss(kl_coefficient=0, aggregation=aggregation, constant_tokens=10)
    value, _ = loss(inputs([1, 1, 1, 1], [3, 3, 3, -1], [3, 3, 3, 1]))
    assert value.item() == pytest.approx(-expected), why


def test_the_entropy_bonus_is_taken_off_with_its_coefficient() -> None:
    loss = GRPOLoss(kl_coefficient=0, entropy_coefficient=0.1)
    value, _ = loss(inputs([1, 1, 1], [0, 0, 0], [2, 2, 1], entropies=[0.2, 0.4, 1.0]))
    assert value.item() == pytest.approx(-0.1 * (0.3 + 1.0) / 2)
    assert "entropy" not in GRPOLoss()(inputs([1], [0], [1]))[1]


@pytest.mark.parametrize("aggregation", ["trajectory", "token", "constant"])
def test_kl_and_entropy_are_logged_in_nats_a_token(aggregation: str) -> None:
    """Three tokens of one trajectory and one of another: neither the mean of the trajectories'
    means (0.65 of the entropies) nor any other weights of the loss's."""
    settings = {"aggregation": aggregation, "constant_tokens": 1000}
    loss = GRPOLoss(kl_coefficient=0.1, entropy_coefficient=0.1, **settings)
    gaps, entropies = [math.log(2), 0, 0, 0], [0.2, 0.3, 0.4, 1.0]
    _, figures = loss(inputs([1] * 4, [0] * 4, [3, 3, 3, 1], gaps, entropies=entropies))
    assert figures["kl"].item() == pytest.approx((2 - math.log(2) - 1) / 4)
    assert figures["entropy"].item() == pytest.approx((0.2 + 0.3 + 0.4 + 1.0) / 4)


def test_clip_fraction_counts_tokens_whose_gain_was_cut() -> None:
    loss = GRPOLoss(clip_low=0.2, clip_high=0.2, kl_coefficient=0)
    _, figures = loss(inputs([1.5, 1.0, 0.5], [1, 1, -1], [2, 2, 1]))
    assert figures["clip_fraction"].item() == pytest.approx((1 / 2 + 1) / 2)


def test_kl_is_k3_and_enters_with_its_coefficient() -> None:
    d = math.log(2)
    value, figures = GRPOLoss(kl_coefficient=0.1)(inputs([1.0], [0.0], [1], [d], trajectories=1))
    assert figures["kl"].item() == pytest.approx(2 - d - 1)
    assert value.item() == pytest.approx(0.1 * (2 - d - 1))


def test_kl_is_never_negative_and_zero_only_where_the_two_agree() -> None:
    gaps_K = torch.linspace(-3, 3, 13, dtype=torch.float64)
    values_K = kl_k3(torch.zeros(13, dtype=torch.float64), gaps_K)
    assert (values_K >= 0).all()
    assert torch.equal(values_K == 0, gaps_K == 0)


def test_gradient_of_an_unclipped_token_is_minus_its_advantage_over_both_counts() -> None:
    batch = inputs([1.0, 1.0, 1.0], [2.0, 2.0, -1.0], [2, 2, 1])
    GRPOLoss(kl_coefficient=0)(batch)[0].backward()
    assert batch.logprobs_K.grad is not None
    torch.testing.assert_close(
        batch.logprobs_K.grad, torch.tensor([-0.5, -0.5, 0.5], dtype=torch.float64)
    )


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("advantages_K", torch.zeros(2), r"advantages_K: shape \(3,\) of one axis, not \(2,\)"),
        ("old_logprobs_K", torch.zeros(3, 1), r"old_logprobs_K: shape \(3,\).*not \(3, 1\)"),
        ("lengths_K", torch.zeros(3), "lengths_K: torch.float32 is of the wrong kind"),
        ("logprobs_K", torch.zeros(3).long(), "logprobs_K: torch.int64 is of the wrong kind"),
    ],
)
def test_ranks_and_dtypes_are_checked_first(name: str, wrong: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(inputs([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [3, 3, 3]), **{name: wrong})


def test_each_turn_of_a_trajectory_weighs_the_same() -> None:
    """Two trajectories: a turn of three tokens and one of one, and a turn of two."""
    made = replace(
        inputs([1] * 6, [3, 6, 9, -1, 4, 8], [4, 4, 4, 4, 2, 2]),
        trajectory_K=torch.tensor([0, 0, 0, 0, 1, 1]),
        turn_K=torch.tensor([0, 0, 0, 1, 0, 0]),
    )
    value, _ = GRPOLoss(kl_coefficient=0, aggregation="turn")(made)
    assert value.item() == pytest.approx(-((6 - 1) / 2 + 6) / 2)
    by_trajectory, _ = GRPOLoss(kl_coefficient=0)(made)
    assert by_trajectory.item() == pytest.approx(-(17 / 4 + 6) / 2)
