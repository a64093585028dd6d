"""Multi-turn GRPO (paper, Eq. 3).

Where this differs from the paper: nowhere by default. From its released code: the mean over
tokens is taken per trajectory, as Eq. 3 says, and not over a micro-batch; the clip range is
PPO's usual 0.2, which the paper does not state; and no entropy bonus, which the paper does not
have.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from visionthink_pl.losses.base import Loss, LossInputs
from visionthink_pl.types.limits import NonNegativeFloat, PositiveFloat, PositiveInt, limited


class GRPOLoss(Loss):
    """Clipped policy gradient with a KL penalty.

    With the ratio ``r_k = exp(logprob_k - old_logprob_k)`` of each generated token k, its advantage
    ``A_k`` and its weight ``w_k`` (see ``aggregation``), to be minimised::

        - sum_k w_k min(r_k A_k, clip(r_k, 1 - clip_low, 1 + clip_high) A_k)
        + kl_coefficient sum_k w_k (exp(d_k) - d_k - 1),   d_k = reference_k - logprob_k
        - entropy_coefficient sum_k w_k entropy_k

    Args:
        clip_low: the probability ratio is clipped at 1 - clip_low.
        clip_high: the probability ratio is clipped at 1 + clip_high.
        kl_coefficient: beta, weight of the KL to the reference (paper: 0.001); 0 needs no
            reference.
        entropy_coefficient: weight of an entropy bonus (the paper's released code: 0.001).
        aggregation: how tokens are averaged. ``trajectory``: over each trajectory, then over
            trajectories (Eq. 3). ``turn``: over each turn, then over a trajectory's turns, then
            over trajectories, so that a short call weighs as much as a long answer. ``token``: over
            all tokens of the optimizer step, so that long trajectories weigh more (Yu et al.,
            "DAPO"). ``constant``: each trajectory's sum over ``constant_tokens``, then over
            trajectories, so that a token weighs the same in every step (Liu et al., "Understanding
            R1-Zero-Like Training").
        constant_tokens: what ``constant`` divides by, in tokens; usual is the most that a
            trajectory may have.
    """

    @limited()
    def __init__(
        self,
        clip_low: Annotated[float, Gt(0), Lt(1)] = 0.2,
        clip_high: PositiveFloat = 0.2,
        kl_coefficient: NonNegativeFloat = 0.001,
        entropy_coefficient: NonNegativeFloat = 0.0,
        aggregation: Literal["trajectory", "turn", "token", "constant"] = "trajectory",
        constant_tokens: PositiveInt = 1024,
    ) -> None:
        self.clip_low, self.clip_high = clip_low, clip_high
        self.kl_coefficient, self.entropy_coefficient = kl_coefficient, entropy_coefficient
        self.aggregation, self.constant_tokens = aggregation, constant_tokens

    def __call__(self, inputs: LossInputs) -> tuple[Tensor, dict[str, Tensor]]:
        weight_K = self._weights(inputs)
        ratio_K = torch.exp(inputs.logprobs_K - inputs.old_logprobs_K)
        clipped_K = ratio_K.clamp(1 - self.clip_low, 1 + self.clip_high)
        gain_K, clipped_gain_K = ratio_K * inputs.advantages_K, clipped_K * inputs.advantages_K
        loss = -(weight_K * torch.minimum(gain_K, clipped_gain_K)).sum()
        share_K = (clipped_gain_K < gain_K) / (inputs.lengths_K * inputs.trajectories)
        figures = {"policy": loss.detach(), "clip_fraction": share_K.sum()}
        if inputs.reference_logprobs_K is not None:
            kl_K = kl_k3(inputs.logprobs_K, inputs.reference_logprobs_K)
            loss = loss + self.kl_coefficient * (weight_K * kl_K).sum()
            figures["kl"] = token_mean(kl_K, inputs)
        if inputs.entropies_K is not None:
            loss = loss - self.entropy_coefficient * (weight_K * inputs.entropies_K).sum()
            figures["entropy"] = token_mean(inputs.entropies_K, inputs)
        return loss, figures

    def _weights(self, inputs: LossInputs) -> Tensor:
        """What each token weighs, shape (K,)."""
        if self.aggregation == "trajectory":
            return 1 / (inputs.lengths_K * inputs.trajectories)
        if self.aggregation == "turn":
            return turn_weights(inputs)
        if self.aggregation == "token":
            share = 1 / inputs.tokens
        else:
            share = 1 / (self.constant_tokens * inputs.trajectories)
        return torch.full_like(inputs.logprobs_K.detach(), share)


def turn_weights(inputs: LossInputs) -> Tensor:
    """What each token weighs where each turn of a trajectory weighs the same, shape (K,). A
    micro-batch holds whole trajectories."""
    turns = int(inputs.turn_K.max()) + 1
    tokens_NT = (inputs.trajectory_K * turns + inputs.turn_K).bincount(
        minlength=turns * (int(inputs.trajectory_K.max()) + 1)
    )
    tokens_NT = tokens_NT.view(-1, turns)
    turns_N = (tokens_NT > 0).sum(1)
    tokens_K = tokens_NT[inputs.trajectory_K, inputs.turn_K]
    return 1 / (tokens_K * turns_N[inputs.trajectory_K] * inputs.trajectories)


def token_mean(values_K: Tensor, inputs: LossInputs) -> Tensor:
    """This micro-batch's share of the mean over all tokens of the optimizer step, for the log.

    The unit stays that of a token however the loss weighs it.
    """
    return values_K.detach().sum() / inputs.tokens


def kl_k3(logprobs_K: Tensor, reference_logprobs_K: Tensor) -> Tensor:
    """Per-token estimate of KL(policy || reference) from the policy's own samples, in nats.

    ``exp(d) - d - 1`` with ``d = reference - policy``: unbiased and never negative (Schulman,
    "Approximating KL divergence", k3).
    """
    d_K = reference_logprobs_K - logprobs_K
    return torch.exp(d_K) - d_K - 1
