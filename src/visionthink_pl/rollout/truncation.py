"""Sampling from the more likely ids alone: top-k, top-p and min-p."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from visionthink_pl.types.limits import NonNegativeInt, Share, TopP, check_fields

OUT = float("-inf")


@dataclass(frozen=True)
class Truncation:
    """Which ids may be sampled, of those that have a probability at this temperature.

    Defined as in transformers' ``generate``, and in its order: top-k, top-p among what that
    leaves, then min-p. (vLLM takes min-p first, which matters to top-p alone.)

    Args:
        top_k: the k most likely ids, and those as likely as the last of them; 0 for all (Fan et
            al., "Hierarchical Neural Story Generation").
        top_p: the fewest most likely ids that have a share of at least this of the probability
            together; of equally likely ones at the edge, those of higher number. 1 for all
            (Holtzman et al., "The Curious Case of Neural Text Degeneration").
        min_p: ids that are at least so many times as likely as the most likely one; 0 for all
            (Nguyen et al., "Turning Up the Heat").
    """

    top_k: NonNegativeInt = 0
    top_p: TopP = 1.0
    min_p: Share = 0.0

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def active(self) -> bool:
        """Whether anything may be left out."""
        return self.top_k > 0 or self.top_p < 1 or self.min_p > 0

    def __call__(self, logprobs_NV: Tensor) -> Tensor:
        """The log-probabilities among the ids that are left, shape (N, V); the others get -inf.

        Args:
            logprobs_NV: of all ids; -inf for those that are never sampled.
        """
        left_NV = logprobs_NV
        if self.top_k > 0:
            least_N1 = left_NV.topk(min(self.top_k, left_NV.shape[-1])).values[:, -1:]
            left_NV = left_NV.masked_fill(left_NV < least_N1, OUT)
        if self.top_p < 1:
            left_NV = left_NV.masked_fill(self._tail(left_NV), OUT)
        if self.min_p > 0:
            probabilities_NV = left_NV.softmax(-1)
            most_N1 = probabilities_NV.amax(-1, keepdim=True)
            left_NV = left_NV.masked_fill(probabilities_NV < self.min_p * most_N1, OUT)
        return left_NV.log_softmax(-1)

    def _tail(self, logprobs_NV: Tensor) -> Tensor:
        """The least likely ids, as many as have 1 - top_p together at most; never the likeliest."""
        ascending_NV, ids_NV = logprobs_NV.sort(stable=True)
        tail_NV = ascending_NV.softmax(-1).cumsum(-1) <= 1 - self.top_p
        tail_NV[:, -1] = False
        return torch.zeros_like(tail_NV).scatter_(-1, ids_NV, tail_NV)
