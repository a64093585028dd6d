"""What there is to read and to write in a step: prompts and trajectories of full length."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from PIL import Image

from visionthink_pl.commands.plan.setup import Setup
from visionthink_pl.rollout.conversation import Opening
from visionthink_pl.rollout.decoder import Given
from visionthink_pl.training.credit import Credited, micro_batches
from visionthink_pl.types import Trajectory, Turn, VQASample
from visionthink_pl.visual_tools import ToolResult


@dataclass(frozen=True)
class Work:
    """The groups that are generated at once.

    Attributes:
        openings: a prompt for each, about an image of its own.
        given: what each row is given after each turn but the last; empty where nothing can be
            asked for.
        asking: how many rows of a group are given that.
        group_size: G.
        max_new_tokens: of each turn.
    """

    openings: list[Opening]
    given: list[Given]
    asking: int
    group_size: int
    max_new_tokens: int

    @classmethod
    def of(cls, setup: Setup) -> Work:
        """With images of ``max_pixels`` and prompts of as many tokens as the setup says."""
        side = math.isqrt(setup.max_pixels)
        sample = VQASample("", "", "", (Image.new("RGB", (side, side)),), "")
        opening = setup.conversation.open(sample)
        first = _padded(opening, setup.text_tokens(opening.trajectory.visual_tokens))
        given: list[Given] = []
        if first.trajectory.tools_offered and setup.demand.ask_rate > 0:
            results = [ToolResult(images=first.high)] + [ToolResult()] * (setup.max_turns - 2)
            given = [
                Given(setup.conversation.response_ids(first.messages, result), result.images)
                for result in results[: setup.max_turns - 1]
            ]
        return cls(
            openings=[_coloured(first, index) for index in range(setup.groups_at_once)],
            given=given,
            asking=math.ceil(setup.demand.ask_rate * setup.group_size) if given else 0,
            group_size=setup.group_size,
            max_new_tokens=setup.max_new_tokens,
        )

    def prompt(self, opening: Opening) -> Given:
        """What every row about it begins with."""
        return Given(opening.trajectory.prompt_ids, opening.trajectory.images)

    def given_to(self, opening: Opening, turn: int) -> Given:
        """After this turn, counted from 0."""
        given = self.given[turn]
        return Given(given.ids, opening.high if given.images else [])

    def micro_batch(self, size: int) -> list[Credited]:
        """As many trajectories as are trained on in one pass, out of whole groups: they may be
        more than are generated at once."""
        count = -(-size // self.group_size)
        groups = [_coloured(self.openings[0], i % len(self.openings)) for i in range(count)]
        rows = [row for opening in groups for row in self._group(opening)]
        return micro_batches([Credited(row, 1.0) for row in rows], size)[0]

    @property
    def prompt_tokens(self) -> dict[str, int]:
        """Of one prompt: text, and the visual tokens of the first look."""
        start = self.openings[0].trajectory
        visual = start.visual_tokens
        return {"text": len(start.prompt_ids) - visual, "visual": visual}

    def tokens(self, prompts: int) -> dict[str, int]:
        """Of so many prompts: read once a prompt, read once a rollout that asks, generated."""
        group = self._group(self.openings[0])
        shown = [len(given.ids) for given in self.given]
        return {
            "prompt": prompts * len(self.openings[0].trajectory.prompt_ids),
            "second look": prompts * self.asking * sum(shown),
            "generated": prompts * sum(row.response_tokens for row in group),
        }

    def _group(self, opening: Opening) -> list[Trajectory]:
        return [self._trajectory(opening, i < self.asking) for i in range(self.group_size)]

    def _trajectory(self, opening: Opening, asks: bool) -> Trajectory:
        blocks = [self.given_to(opening, i) for i in range(len(self.given))] if asks else []
        ids, logprobs = [0] * self.max_new_tokens, [0.0] * self.max_new_tokens
        turns = [Turn(ids, logprobs, "", given_ids=block.ids) for block in blocks]
        shown = [image for block in blocks for image in block.images]
        start = opening.trajectory
        return replace(
            start, images=[*start.images, *shown], turns=[*turns, Turn(ids, logprobs, "")]
        )


def _padded(opening: Opening, text_tokens: int) -> Opening:
    """With a question so long that the prompt has this many text tokens."""
    start = opening.trajectory
    missing = max(text_tokens - (len(start.prompt_ids) - start.visual_tokens), 0)
    ids = start.prompt_ids + start.prompt_ids[-1:] * missing
    return replace(opening, trajectory=replace(start, prompt_ids=ids))


def _coloured(opening: Opening, index: int) -> Opening:
    """The same about other images: equal ones would share their visual tokens."""
    colour = index % 256, index // 256, 0

    def painted(images: list[Image.Image]) -> list[Image.Image]:
        return [Image.new("RGB", image.size, colour) for image in images]

    start = opening.trajectory
    trajectory = replace(start, prompt_ids=list(start.prompt_ids), images=painted(start.images))
    return replace(opening, trajectory=trajectory, high=painted(opening.high))
