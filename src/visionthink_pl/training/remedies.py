"""What to change in the config where memory runs out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from torch import nn

from visionthink_pl.training.optimizer import AdamW
from visionthink_pl.types.memory import memory_for


@dataclass(frozen=True)
class Remedies:
    """Settings that can still be changed.

    Attributes:
        checkpointing: whether activations of every layer are recomputed already.
        quantizes: whether the base could be held in 4 bits and is not.
        of_optimizer: what would make the optimizer need less memory.
    """

    checkpointing: bool = False
    quantizes: bool = False
    of_optimizer: str = AdamW().remedy

    def for_pass(self, rows: int) -> list[str]:
        """What would make a micro-batch of ``rows`` trajectories need less memory."""
        remedies = []
        if rows > 1:
            remedies.append(f"lower model.micro_batch_size to {rows // 2}")
        if not self.checkpointing:
            remedies.append("set model.gradient_checkpointing to true")
        if self.quantizes:
            remedies.append("set model.lora.quantization to nf4")
        return [*remedies, "lower rollout.limits.max_pixels or rollout.max_new_tokens"]

    def for_weights(
        self, phase: str, trained: Sequence[nn.Parameter]
    ) -> AbstractContextManager[None]:
        """Memory errors of a phase whose memory grows with the number of trained weights."""
        count = sum(parameter.numel() for parameter in trained)
        return memory_for(phase, f"{count:,} weights that are trained", [self.of_optimizer])
