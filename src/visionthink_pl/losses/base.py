"""A policy loss, as sums over tokens; the caller passes what the sums are divided by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

INDICES = ("lengths_K", "trajectory_K", "group_K", "turn_K")  # integers


@dataclass(frozen=True)
class LossInputs:
    """One micro-batch. K counts the generated tokens of all its trajectories, one after another.

    Attributes:
        logprobs_K: under the policy, with gradient.
        old_logprobs_K: under the policy that sampled.
        reference_logprobs_K: under the frozen reference; ``None`` where the KL is not needed.
        entropies_K: of the policy where each token was chosen, in nats, with gradient; ``None``
            where it is not needed.
        advantages_K: the advantage of the trajectory, or of the turn, that each token belongs to.
        lengths_K: how many generated tokens that trajectory has.
        trajectory_K: index of that trajectory in the micro-batch, from 0.
        group_K: index of its group; a group may go on in the next micro-batch.
        turn_K: index of the turn that the token belongs to, from 0.
        trajectories: how many trajectories share the optimizer step, over all its micro-batches
            and ranks.
        tokens: how many generated tokens those have together.
    """

    logprobs_K: Tensor
    old_logprobs_K: Tensor
    reference_logprobs_K: Tensor | None
    entropies_K: Tensor | None
    advantages_K: Tensor
    lengths_K: Tensor
    trajectory_K: Tensor
    group_K: Tensor
    turn_K: Tensor
    trajectories: int
    tokens: int

    def __post_init__(self) -> None:
        """Check ranks and dtypes.

        Raises:
            ValueError: a tensor is not of shape (K,), or holds numbers of another kind.
        """
        shape = self.logprobs_K.shape
        for name, value in vars(self).items():
            if not isinstance(value, Tensor):
                continue
            if value.ndim != 1 or value.shape != shape:
                raise ValueError(
                    f"{name}: shape {tuple(shape)} of one axis, not {tuple(value.shape)}"
                )
            if value.is_floating_point() == (name in INDICES):
                raise ValueError(f"{name}: {value.dtype} is of the wrong kind")


class Loss(ABC):
    """Turns log-probabilities and advantages into something to minimise.

    Attributes:
        kl_coefficient: above 0 where reference log-probabilities are needed.
        entropy_coefficient: above 0 where entropies are.
    """

    kl_coefficient: float
    entropy_coefficient: float = 0.0

    @abstractmethod
    def __call__(self, inputs: LossInputs) -> tuple[Tensor, dict[str, Tensor]]:
        """Return this micro-batch's share of the loss, and its share of each logged figure.

        Shares of the micro-batches of one optimizer step add up to the whole, however it is
        split.
        """
