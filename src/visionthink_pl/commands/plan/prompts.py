"""The prompts of a step: as long, and about images as large, as the setup says."""

from __future__ import annotations

import math
from dataclasses import replace

from PIL import Image

from visionthink_pl.commands.plan.setup import Setup
from visionthink_pl.rollout.opening import Opening
from visionthink_pl.types import View, VQASample


def openings_of(setup: Setup) -> list[Opening]:
    """As many prompts as are generated at once, each about its own image of ``max_pixels``."""
    side = math.isqrt(setup.max_pixels)
    sample = VQASample("", "", "", (Image.new("RGB", (side, side)),), "")
    opening = setup.conversation.open(sample)
    first = _padded(opening, setup.text_tokens(opening.trajectory.first_look_tokens))
    return [_coloured(first, index) for index in range(setup.groups_at_once)]


def _padded(opening: Opening, text_tokens: int) -> Opening:
    """With a question so long that the prompt has this many text tokens."""
    start = opening.trajectory
    missing = max(text_tokens - (len(start.prompt_ids) - start.first_look_tokens), 0)
    ids = start.prompt_ids + start.prompt_ids[-1:] * missing
    return replace(opening, trajectory=replace(start, prompt_ids=ids))


def _coloured(opening: Opening, index: int) -> Opening:
    """The same about other images: equal ones would share their visual tokens."""
    colour = index % 256, index // 256, 0

    def painted(views: list[View]) -> list[View]:
        return [replace(view, image=Image.new("RGB", view.image.size, colour)) for view in views]

    start = opening.trajectory
    first = painted(start.first_look)
    trajectory = replace(start, prompt_ids=list(start.prompt_ids), first_look=first)
    return replace(opening, trajectory=trajectory, full=painted(opening.full))
