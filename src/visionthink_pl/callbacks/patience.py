"""How long processes wait for one that waits for a judge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from lightning import Trainer
from lightning.pytorch.strategies import DDPStrategy

from visionthink_pl.internals.lightning import collective_timeout
from visionthink_pl.rewards import Reward
from visionthink_pl.types import ConfigError

MARGIN_S = 60.0  # for what one process samples later than another


def check_patience(trainer: Trainer, rewards: Sequence[Reward]) -> None:
    """Refuse processes that give up before a reward does. A judge that is down may be asked by one
    of them alone, where all other answers need no judge; the others wait for it.

    Raises:
        ConfigError: their timeout is shorter than what a reward may wait.
    """
    strategy = trainer.strategy
    if trainer.world_size == 1 or not isinstance(strategy, DDPStrategy):
        return
    needed = max((reward.longest_wait_s for reward in rewards), default=0.0) + MARGIN_S
    given = collective_timeout(strategy)
    if given is not None and given.total_seconds() < needed:
        longer = timedelta(seconds=round(needed))
        raise ConfigError(
            f"trainer.strategy: processes give up waiting for each other after {given}, and a "
            f"judge may be waited for longer; set trainer.strategy to {{class_path: DDPStrategy, "
            f"init_args: {{timeout: '{longer}'}}}}, or lower the judge's max_outage"
        )
