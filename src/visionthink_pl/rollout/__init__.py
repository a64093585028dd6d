"""Rollouts: prompts and tool responses (conversation), turns (engine), tokens (decoder)."""

from typing import TYPE_CHECKING

from visionthink_pl.internals.late import late

if TYPE_CHECKING:
    from visionthink_pl.rollout.conversation_options import ConversationOptions
    from visionthink_pl.rollout.engine import RolloutEngine
    from visionthink_pl.rollout.one_image import roll_out
    from visionthink_pl.rollout.sampling import Sampling

__all__ = ["ConversationOptions", "RolloutEngine", "Sampling", "roll_out"]

# Rewards read turns by ``replies``, and need no engine.
__getattr__ = late(
    __name__,
    {
        "ConversationOptions": "conversation_options",
        "RolloutEngine": "engine",
        "Sampling": "sampling",
        "roll_out": "one_image",
    },
)
