"""Rollouts of a prompt, as the exact ids that were sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import compress
from typing import TYPE_CHECKING, Any

from PIL import Image

from visionthink_pl.types.samples import VQASample
from visionthink_pl.types.views import View, images_of

if TYPE_CHECKING:
    from visionthink_pl.types.supports import Supports  # with torch, which takes seconds to load


class StopReason(StrEnum):
    """Why a trajectory ended. All but ``ANSWERED`` count as truncated."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"  # the model ended its turn with neither an answer nor a call
    OUT_OF_TOKENS = "out_of_tokens"  # a turn reached max_new_tokens
    OUT_OF_TURNS = "out_of_turns"  # a call in the last turn that was allowed
    OUT_OF_LENGTH = "out_of_length"  # no room for another turn, not even behind a refusal


@dataclass(frozen=True)
class ToolCall:
    """A call that named an offered tool with valid arguments."""

    name: str
    arguments: Mapping[str, Any]


@dataclass
class Turn:
    """One assistant turn, and what was given to the model after it.

    Attributes:
        generated_ids: the ids that were sampled, the end-of-turn token included.
        logprobs: their log-probabilities under the sampling distribution, in nats.
        text: ``generated_ids`` decoded, without the end-of-turn token. For reading only.
        call: the valid tool call of this turn, if it made one.
        call_error: why a call that was attempted is invalid, as the model was told.
        tool_failure: the error in the tool itself that a valid call ended in, if it did.
        given_ids: the ids of the tool response and the next generation prompt, or empty.
        shown: what the tool response showed, in the order of its placeholders.
        visual_tokens: how many visual tokens that took.
        supports: the ids that each of ``generated_ids`` was chosen from, under top-k, top-p or
            min-p; ``None`` where from all that may be sampled.
    """

    generated_ids: list[int]
    logprobs: list[float]
    text: str
    call: ToolCall | None = None
    call_error: str | None = None
    tool_failure: str | None = None
    given_ids: list[int] = field(default_factory=list)
    shown: list[View] = field(default_factory=list)
    visual_tokens: int = 0
    supports: Supports | None = None


@dataclass
class Trajectory:
    """One rollout of one prompt, as exact token ids.

    Attributes:
        prompt_ids: the ids before the first turn, image placeholders expanded.
        first_look: what the prompt shows, in the order of its placeholders.
        first_look_tokens: how many visual tokens that takes.
        tools_offered: names of the tools that the prompt offered; empty where a second look
            would save nothing.
        answer: what the last turn answered, extracted from its text.
        logprob_difference: mean distance of the log-probabilities as sampled from those that the
            training pass computed, in nats; ``None`` until it was trained on.
    """

    prompt_ids: list[int]
    first_look: list[View]
    first_look_tokens: int
    tools_offered: tuple[str, ...] = ()
    turns: list[Turn] = field(default_factory=list)
    stop: StopReason | None = None
    answer: str | None = None
    logprob_difference: float | None = None

    @property
    def ids(self) -> list[int]:
        """All ids in order: the prompt, then each turn and what was given after it."""
        return self.prompt_ids + [
            i for turn in self.turns for i in (*turn.generated_ids, *turn.given_ids)
        ]

    @property
    def views(self) -> list[View]:
        """All that was shown, in the order of its placeholders."""
        return [*self.first_look, *(view for turn in self.turns for view in turn.shown)]

    @property
    def images(self) -> list[Image.Image]:
        """The images of all that was shown."""
        return images_of(self.views)

    @property
    def visual_tokens(self) -> int:
        """How many visual tokens all that was shown took."""
        return self.first_look_tokens + sum(turn.visual_tokens for turn in self.turns)

    @property
    def looks(self) -> int:
        """How many calls led to something being shown."""
        return sum(bool(turn.shown) for turn in self.turns)

    @property
    def high(self) -> bool:
        """Whether a call led to something being shown: of ``resize_image``, the full image."""
        return self.looks > 0

    @property
    def generated_mask(self) -> list[bool]:
        """``M_it`` of Eq. 3: true on ids that the model generated, false on all it was given."""
        mask = [False] * len(self.prompt_ids)
        for turn in self.turns:
            mask += [True] * len(turn.generated_ids) + [False] * len(turn.given_ids)
        return mask

    @property
    def logprobs(self) -> list[float]:
        """Sampling log-probabilities of the generated ids, in order, in nats."""
        return [value for turn in self.turns for value in turn.logprobs]

    @property
    def direct(self) -> bool:
        """Answered from the first look although a second one was on offer."""
        return bool(self.tools_offered) and not self.high and self.stop is StopReason.ANSWERED

    @property
    def truncated(self) -> bool:
        """Ended without an answer, whether or not it looked again."""
        return self.stop is not StopReason.ANSWERED

    @property
    def invalid_call(self) -> bool:
        """At least one call was attempted that could not be carried out."""
        return any(turn.call_error is not None for turn in self.turns)

    @property
    def tool_failed(self) -> bool:
        """At least one call ended in an error in the tool itself."""
        return any(turn.tool_failure is not None for turn in self.turns)

    @property
    def response_tokens(self) -> int:
        """How many ids the model generated, over all turns."""
        return sum(len(turn.generated_ids) for turn in self.turns)


@dataclass
class Group:
    """The rollouts of one prompt, scored together.

    Attributes:
        parts: for each reward's name, its unweighted value for each trajectory; ``None`` where
            it could not be computed.
        turn_parts: of the rewards that are given by turn, the values of each trajectory's turns.
        weights: of the parts in the sum.
        rewards: the weighted sum for each trajectory; ``None`` where any part is ``None``.
        full_look_tokens: visual tokens of one look at the full image.
    """

    sample: VQASample
    trajectories: list[Trajectory]
    full_look_tokens: int
    parts: dict[str, list[float | None]] = field(default_factory=dict)
    rewards: list[float | None] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    turn_parts: dict[str, list[list[float] | None]] = field(default_factory=dict)

    def only(self, kept: Sequence[bool]) -> Group:
        """The group with some of its trajectories."""
        return replace(
            self,
            trajectories=list(compress(self.trajectories, kept)),
            parts={name: list(compress(values, kept)) for name, values in self.parts.items()},
            rewards=list(compress(self.rewards, kept)),
            turn_parts={n: list(compress(rows, kept)) for n, rows in self.turn_parts.items()},
        )

    def scored(self) -> tuple[list[Trajectory], list[float]]:
        """The trajectories that have a reward, and those rewards."""
        pairs = [
            (t, r) for t, r in zip(self.trajectories, self.rewards, strict=True) if r is not None
        ]
        return [t for t, _ in pairs], [r for _, r in pairs]
