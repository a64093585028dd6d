"""Policy losses, as sums over generated tokens."""

from visionthink_pl.losses.base import Loss, LossInputs
from visionthink_pl.losses.grpo import GRPOLoss

__all__ = ["GRPOLoss", "Loss", "LossInputs"]
