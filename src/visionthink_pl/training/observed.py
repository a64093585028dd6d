"""Entropy and KL to the reference where the loss asks for neither: of one trajectory a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from visionthink_pl.losses import Loss
from visionthink_pl.losses.grpo import kl_k3
from visionthink_pl.training.ranks import gathered
from visionthink_pl.types import Trajectory

if TYPE_CHECKING:
    from visionthink_pl.policy import Policy  # with peft, which takes seconds to load


@torch.no_grad()
def observed(policy: Policy, loss: Loss, trajectory: Trajectory | None) -> dict[str, float]:
    """Mean entropy of the policy, and mean KL to the reference (estimator k3), both in nats a
    token, as far as ``loss`` does not compute them over all trajectories. All ranks must ask.

    Args:
        policy: before the step.
        loss: of the step.
        trajectory: one that is trained on; ``None`` where this rank has none.

    Returns:
        Means over the ranks that have a trajectory, under ``train/``.
    """
    ranks = [figures for figures in gathered(_figures(policy, loss, trajectory)) if figures]
    names = ranks[0] if ranks else {}
    return {name: sum(figures[name] for figures in ranks) / len(ranks) for name in names}


def _figures(policy: Policy, loss: Loss, trajectory: Trajectory | None) -> dict[str, float]:
    wants_entropy = loss.entropy_coefficient == 0
    wants_kl = loss.kl_coefficient == 0 and policy.has_reference
    if trajectory is None or not (wants_entropy or wants_kl):
        return {}
    logprobs_K, entropies_K = policy.logprobs_and_entropies([trajectory])
    figures = {"train/entropy": entropies_K.mean().item()} if wants_entropy else {}
    if wants_kl:
        kl_K = kl_k3(logprobs_K, policy.reference_logprobs([trajectory]))
        figures["train/kl"] = kl_K.mean().item()
    return figures
