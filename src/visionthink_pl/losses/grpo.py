"""Multi-turn GRPO (paper, Eq. 3).

Where this differs from the paper: nowhere by default. From its released code: the mean over
tokens is taken per trajectory, as Eq. 3 says, and not over a micro-batch; the clip range is
PPO's usual 0.2, which the paper does not state.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from visionthink_pl.losses.base import Loss, LossInputs
from visionthink_pl.types import ConfigError


class GRPOLoss(Loss):
    """Clipped policy gradient with a KL penalty, averaged per trajectory.

    Args:
        clip_low: the probability ratio is clipped at 1 - clip_low.
        clip_high: the probability ratio is clipped at 1 + clip_high.
        kl_coefficient: beta, weight of the KL to the reference (paper: 0.001); 0 needs no
            reference.
    """

    def __init__(
        self, clip_low: float = 0.2, clip_high: float = 0.2, kl_coefficient: float = 0.001
    ) -> None:
        if not 0 < clip_low < 1:
            raise ConfigError(f"GRPOLoss.clip_low: between 0 and 1, not {clip_low}")
        if not 0 < clip_high < math.inf:
            raise ConfigError(f"GRPOLoss.clip_high: above 0, not {clip_high}")
        if not 0 <= kl_coefficient < math.inf:
            raise ConfigError(f"GRPOLoss.kl_coefficient: at least 0, not {kl_coefficient}")
        self.clip_low, self.clip_high = clip_low, clip_high
        self.kl_coefficient = kl_coefficient

    def __call__(self, inputs: LossInputs) -> tuple[Tensor, dict[str, Tensor]]:
        weight_K = 1 / (inputs.lengths_K * inputs.trajectories)
        ratio_K = torch.exp(inputs.logprobs_K - inputs.old_logprobs_K)
        clipped_K = ratio_K.clamp(1 - self.clip_low, 1 + self.clip_high)
        gain_K, clipped_gain_K = ratio_K * inputs.advantages_K, clipped_K * inputs.advantages_K
        policy = -(weight_K * torch.minimum(gain_K, clipped_gain_K)).sum()
        is_clipped_K = (clipped_gain_K < gain_K).to(weight_K.dtype)
        figures = {"policy": policy.detach(), "clip_fraction": (weight_K * is_clipped_K).sum()}
        if inputs.reference_logprobs_K is None:
            return policy, figures
        kl = (weight_K * kl_k3(inputs.logprobs_K, inputs.reference_logprobs_K)).sum()
        return policy + self.kl_coefficient * kl, figures | {"kl": kl.detach()}


def kl_k3(logprobs_K: Tensor, reference_logprobs_K: Tensor) -> Tensor:
    """Per-token estimate of KL(policy || reference) from the policy's own samples, in nats.

    ``exp(d) - d - 1`` with ``d = reference - policy``: unbiased and never negative (Schulman,
    "Approximating KL divergence", k3).
    """
    d_K = reference_logprobs_K - logprobs_K
    return torch.exp(d_K) - d_K - 1
