"""One question about one image, without a trainer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from visionthink_pl.images import ImageSource, decode
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.engine import RolloutEngine
from visionthink_pl.types import ConfigError, Group, VQASample

if TYPE_CHECKING:
    from visionthink_pl.policy import Policy  # with peft, which takes seconds to load


def roll_out(
    policy: Policy,
    image: ImageSource | str,
    question: str,
    group_size: int | None = None,
    options: ConversationOptions | None = None,
    seed: int = 0,
) -> Group:
    """Roll out one question about one image; nothing is scored.

    Args:
        policy: that answers, such as ``PolicyOptions("embedded").load()``.
        image: a file, its bytes, or an image.
        question: what the user asks.
        group_size: G, trajectories to sample, at the policy's temperature; by default one is
            decoded greedily, as in evaluation.
        options: what the model is shown and told; by default what training's defaults are.
        seed: of sampling; with the same one the same is sampled.

    Raises:
        ConfigError: ``group_size`` is below 1, or the tools can never be offered.
        ImageDecodeError: the image can't be read.
    """
    if group_size is not None and group_size < 1:
        raise ConfigError(
            f"group_size: at least 1, or None for one greedy answer, not {group_size}"
        )
    options = options or ConversationOptions()
    sample = VQASample("asked", question, "", (decode(_source(image)),), "asked")
    count = group_size or 1
    conversation = Conversation(policy.family, options)
    engine = RolloutEngine(policy, conversation, options.sampling(rows=count, seed=seed))
    try:
        with policy.autocast():
            (group,) = engine.rollout([sample], count, draw=0, greedy=group_size is None)
    finally:
        policy.forget_images()
    return group


def _source(image: ImageSource | str) -> ImageSource:
    return Path(image) if isinstance(image, str) else image
