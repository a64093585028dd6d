"""A rollout in which each turn has its full length: what a step needs at most.

The engine, its decoder and the conversation are those of training. What a model without values
can't decide is decided here: how long a turn is, and whether it calls a tool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from PIL import Image
from torch import Tensor

from visionthink_pl.commands.plan.ledger import Ledger
from visionthink_pl.families import Family
from visionthink_pl.images import Size
from visionthink_pl.policy import Policy
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.decoder import Decoder, Given
from visionthink_pl.rollout.engine import CHECK_EVERY, RolloutEngine
from visionthink_pl.rollout.opening import Opening, Response
from visionthink_pl.rollout.rows import Generated
from visionthink_pl.rollout.sampling import Sampling
from visionthink_pl.types import ToolCall, Trajectory, View, images_of
from visionthink_pl.visual_tools import ToolResult, ViewState

SHRUNK = 0.95  # of the sides, until a view fits
CALLS, ENDS = 1, 0  # ids of a turn that calls a tool in its full length, and of one that does not


class FullLooks(Conversation):
    """A turn calls a tool if its ids say so; a call shows the most that any tool on offer could, or
    as much of it as the budget leaves, and nothing once there have been enough.

    Args:
        family: of the checkpoint.
        options: of the conversation.
        looks: calls that show something.
    """

    def __init__(self, family: Family, options: ConversationOptions, looks: int) -> None:
        super().__init__(family, options)
        self._looks, self._parts = looks, count()

    def decode(self, ids: Sequence[int]) -> str:
        return "call" if CALLS in ids else ""

    def call(self, text: str, offered: Sequence[str]) -> ToolCall | None:
        return ToolCall("", {}) if text and offered else None

    def respond(self, call: ToolCall, opening: Opening, trajectory: Trajectory) -> Response:
        state, shown = self.state(opening, trajectory), list[View]()
        if trajectory.looks < self._looks:
            tools = [self._tools[name] for name in trajectory.tools_offered]
            results = [tool.largest(state).shown for tool in tools]
            shown = max(results, key=lambda views: self.visual_tokens(images_of(views)))
        return self.response(opening, ToolResult(views=self._within(shown, state)))

    def _within(self, views: list[View], state: ViewState) -> list[View]:
        """Views, shrunk until they fit into what is left."""
        left, scale = state.visual_tokens_left, 1.0
        sizes = [Size(*view.image.size) for view in views]
        while left is not None and views and self.visual_tokens(sizes) > left:
            scale *= SHRUNK
            sizes = [scaled(Size(*view.image.size), scale) for view in views]
            if all(size == Size(1, 1) for size in sizes):
                return []
        return [self._painted(view, size) for view, size in zip(views, sizes, strict=True)]

    def _painted(self, view: View, size: Size) -> View:
        """The whole image, which all trajectories share, or a part that no other one has."""
        if view.box is None:
            return replace(view, image=view.image.resize((size.width, size.height)))
        red, green = divmod(next(self._parts), 256)
        colour = red % 256, green, 255  # prompts have no blue
        return replace(view, image=Image.new("RGB", (size.width, size.height), colour))


@dataclass(frozen=True)
class Calling:
    """Which rows call a tool: the first ``calling`` of each group of ``group_size``."""

    group_size: int
    calling: int

    def __contains__(self, row: int) -> bool:
        return row % self.group_size < self.calling


class FullLengthDecoder(Decoder):
    """Turns of ``max_new_tokens``, of which the first and the last step are taken: all others cost
    what lies between.

    Args:
        policy: without values.
        max_new_tokens: of every turn.
        check_every: as of any decoder.
        growth: likewise.
        calling: rows whose turns call a tool.
        ledger: gets the phases, and the FLOPs of steps that are left out.
    """

    def __init__(
        self,
        policy: Policy,
        max_new_tokens: int,
        check_every: int,
        growth: float,
        calling: Calling,
        ledger: Ledger,
    ) -> None:
        super().__init__(policy, max_new_tokens, check_every, growth=growth)
        self._calling, self._ledger = calling, ledger
        self._looks = 0

    def start(
        self, prompts: Sequence[Given], prompt_of_row: Sequence[int], uniform_NT: Tensor | None
    ) -> None:
        self._ledger.go("prompts")
        super().start(prompts, prompt_of_row, uniform_NT)

    def resume(self, given: Mapping[int, Given], uniform_NT: Tensor | None) -> None:
        self._looks += 1
        self._ledger.go("second look", self._looks - 1)
        super().resume(given, uniform_NT)

    def run(self) -> list[tuple[int, Generated]]:
        self._ledger.go("decoding", max(self._looks - 1, 0))
        flops = self._ledger.flops
        before, self._steps = flops["decoding"], 0
        ended = super().run()
        flops["decoding"] = before + (flops["decoding"] - before) * self._max // self._steps
        return [(row, self._turn(row, generated)) for row, generated in ended]

    def _turn(self, row: int, generated: Generated) -> Generated:
        ids = [CALLS if row in self._calling else ENDS] * len(generated.ids)
        return replace(generated, ids=ids, finished=True)

    def _step(self) -> None:
        """Take the first step of the turn, then go on to its last."""
        rows, skipped = self._rows, max(self._max - 2, 0)
        if not rows.decoding_N.any():
            return
        super()._step()
        self._steps += 1
        if self._steps == 1:
            self._longest += skipped
            for counter_N in (rows.lengths_N, rows.positions_N, rows.steps_N):
                counter_N += skipped * rows.decoding_N
        # What is sampled has no values, and so ends no turn.
        rows.decoding_N &= rows.steps_N < self._max


class FullLengthEngine(RolloutEngine):
    """The rollout engine with such a decoder.

    Args:
        policy: without values.
        conversation: whose tool calls go by the ids.
        sampling: lengths.
        calling: rows whose turns call a tool.
        ledger: of bytes and FLOPs.
        gpu: whether rows are looked at as on a GPU.
    """

    def __init__(
        self,
        policy: Policy,
        conversation: FullLooks,
        sampling: Sampling,
        calling: Calling,
        ledger: Ledger,
        gpu: bool,
    ) -> None:
        super().__init__(policy, conversation, sampling)
        self._calling, self._ledger, self._gpu = calling, ledger, gpu

    def decoder(self, greedy: bool) -> Decoder:
        check_every = CHECK_EVERY if self._gpu else 1
        return FullLengthDecoder(
            self._policy,
            self._sampling.max_new_tokens,
            check_every,
            self._growth,
            self._calling,
            self._ledger,
        )


def scaled(size: Size, scale: float) -> Size:
    """A size with its sides scaled, at least one pixel each."""
    return Size(max(1, int(size.width * scale)), max(1, int(size.height * scale)))
