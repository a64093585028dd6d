"""A rollout in which each turn has its full length: what a step needs at most.

The engine, its decoder and the conversation are those of training. What a model without values
can't decide is decided here: how long a turn is, and whether it calls a tool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from visionthink_pl.commands.plan.ledger import Ledger
from visionthink_pl.policy import Policy
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.decoder import Decoder, Given
from visionthink_pl.rollout.engine import CHECK_EVERY, RolloutEngine
from visionthink_pl.rollout.rows import Generated
from visionthink_pl.rollout.sampling import Sampling
from visionthink_pl.types import ToolCall
from visionthink_pl.visual_tools import ToolResult, ViewState

CALLS, ENDS = 1, 0  # ids of a turn that calls a tool in its full length, and of one that does not


class FullLooks(Conversation):
    """A turn calls a tool if its ids say so; the first call shows the full images, others
    nothing."""

    def decode(self, ids: Sequence[int]) -> str:
        return "call" if CALLS in ids else ""

    def call(self, text: str, offered: Sequence[str]) -> ToolCall | None:
        return ToolCall("", {}) if text and offered else None

    def run(self, call: ToolCall, state: ViewState) -> ToolResult:
        return ToolResult(views=[] if state.high_shown else list(state.full))


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
        calling: rows whose turns call a tool.
        ledger: gets the phases, and the FLOPs of steps that are left out.
    """

    def __init__(
        self,
        policy: Policy,
        max_new_tokens: int,
        check_every: int,
        calling: Calling,
        ledger: Ledger,
    ) -> None:
        super().__init__(policy, max_new_tokens, check_every)
        self._calling, self._ledger = calling, ledger

    def start(
        self, prompts: Sequence[Given], prompt_of_row: Sequence[int], uniform_NT: Tensor | None
    ) -> None:
        self._ledger.go("prompts")
        super().start(prompts, prompt_of_row, uniform_NT)

    def resume(self, given: Mapping[int, Given], uniform_NT: Tensor | None) -> None:
        self._ledger.go("second look")
        super().resume(given, uniform_NT)

    def run(self) -> list[tuple[int, Generated]]:
        self._ledger.go("decoding")
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
            self._policy, self._sampling.max_new_tokens, check_every, self._calling, self._ledger
        )
