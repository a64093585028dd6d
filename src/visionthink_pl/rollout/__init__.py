"""Rollouts: prompts and tool responses (conversation), turns (engine), tokens (decoder)."""

from typing import TYPE_CHECKING

from visionthink_pl.internals.late import late

if TYPE_CHECKING:
    from visionthink_pl.rollout.engine import RolloutEngine
    from visionthink_pl.rollout.sampling import Sampling

__all__ = ["RolloutEngine", "Sampling"]

# Rewards read turns by ``replies``, and need no engine.
__getattr__ = late(__name__, {"RolloutEngine": "engine", "Sampling": "sampling"})
