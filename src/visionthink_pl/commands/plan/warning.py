"""The memory check at the start of ``fit``."""

from __future__ import annotations

from lightning import Trainer
from lightning.pytorch.accelerators import CUDAAccelerator
from lightning.pytorch.utilities import rank_zero_warn

from visionthink_pl.callbacks import RolloutCallback
from visionthink_pl.commands.plan.cards import GIB, Card
from visionthink_pl.commands.plan.setup import Demand, Setup
from visionthink_pl.module import VisionThinkModule


def warn_if_too_large(
    trainer: Trainer, module: VisionThinkModule, rollout: RolloutCallback, prompts: int
) -> None:
    """Warn where a step with full-length prompts and answers would not fit on the GPU.

    Args:
        trainer: on a CPU nothing is checked.
        module: the model's options; no weights are needed.
        rollout: the sampling options.
        prompts: of one rank, in a rollout batch.
    """
    card = Card.here() if isinstance(trainer.accelerator, CUDAAccelerator) else None
    if card is None or not trainer.is_global_zero:
        return
    from visionthink_pl.commands.plan.estimate import estimate  # with peft, after the weights' own

    try:
        setup = Setup.of(module, rollout, prompts, str(trainer.precision), Demand(), gpu=True)
        found = estimate(setup)
    except Exception as error:  # a user's own model may train all the same
        rank_zero_warn(f"what a step needs could not be planned: {error}")
        return
    if found.peak > card.usable:
        rank_zero_warn(
            f"a step may need {found.peak / GIB:.1f} GiB ({found.phase}), and {card.name} has "
            f"{card.usable / GIB:.1f} usable; `python -m visionthink_pl plan` says what would fit"
        )
