"""Entropy and KL where the loss asks for neither."""

import pytest
import torch

from model_helpers import embedded_policy, mixed_trajectories
from visionthink_pl.families import Family
from visionthink_pl.losses import GRPOLoss
from visionthink_pl.training.observed import observed


def test_both_are_those_of_the_whole_distribution(family: Family) -> None:
    """Against the formula over all ids, and against the KL's definition for the k3 estimator."""
    policy = embedded_policy(family)
    trajectory = mixed_trajectories(family)[0]
    figures = observed(policy, GRPOLoss(kl_coefficient=0.0), trajectory)
    logprobs_K, entropies_K = policy.logprobs_and_entropies([trajectory])
    difference_K = policy.reference_logprobs([trajectory]) - logprobs_K
    assert figures["train/entropy"] == pytest.approx(entropies_K.mean().item(), abs=1e-6)
    expected = (difference_K.exp() - difference_K - 1).mean().item()
    assert figures["train/kl"] == pytest.approx(expected, abs=1e-7) and expected > 1e-6


@pytest.mark.parametrize(
    ("loss", "names"),
    [
        (GRPOLoss(kl_coefficient=0.1), {"train/entropy"}),
        (GRPOLoss(kl_coefficient=0.0, entropy_coefficient=0.1), {"train/kl"}),
        (GRPOLoss(kl_coefficient=0.1, entropy_coefficient=0.1), set()),
    ],
)
def test_what_the_loss_computes_is_not_computed_twice(
    loss: GRPOLoss, names: set[str], family: Family
) -> None:
    policy = embedded_policy(family)
    trajectory = mixed_trajectories(family)[0]
    assert observed(policy, loss, trajectory).keys() == names


def test_without_a_reference_there_is_no_kl(family: Family) -> None:
    policy = embedded_policy(family)
    policy.has_reference = False
    trajectory = mixed_trajectories(family)[0]
    assert observed(policy, GRPOLoss(kl_coefficient=0.0), trajectory).keys() == {"train/entropy"}


def test_gradients_and_randomness_are_left_alone(family: Family) -> None:
    policy = embedded_policy(family)
    trajectory = mixed_trajectories(family)[0]
    state = torch.get_rng_state()
    observed(policy, GRPOLoss(kl_coefficient=0.0), trajectory)
    assert torch.equal(state, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in policy.parameters())
    assert observed(policy, GRPOLoss(), None) == {}
