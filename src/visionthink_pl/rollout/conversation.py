"""What the model is shown and told: prompts, which tools they offer, and responses to calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from visionthink_pl.families import Family
from visionthink_pl.families.fixed_cost import refuse_fixed_cost
from visionthink_pl.images import Size
from visionthink_pl.rollout.budget import Budget
from visionthink_pl.rollout.conversation_options import ConversationOptions, adds_to_full
from visionthink_pl.rollout.opening import Opening, PromptLength, Response
from visionthink_pl.rollout.prompt_files import TOOLS_SLOT
from visionthink_pl.rollout.rendering import Rendering
from visionthink_pl.rollout.replies import InvalidCall, extract_answer, parse_call, split_thought
from visionthink_pl.types import (
    BoxUnit,
    ConfigError,
    ToolCall,
    Trajectory,
    View,
    Views,
    VQASample,
    images_of,
)
from visionthink_pl.visual_tools import ToolError, ToolResult, ViewState, VisualTool, carried_out
from visionthink_pl.visual_tools.base import BOX_UNIT

Shown = Image.Image | Size


class Conversation:
    """Opens prompts and answers calls, for one model family.

    Args:
        family: whose template and tokenizer are used.
        options: what the model is shown and told.

    Attributes:
        budget: limits of prompts and trajectories.

    Raises:
        ConfigError: tools would never be offered, since no image can save the family a token; a
            tool needs the unit of boxes, which the family does not say; or lengths don't fit into
            what the model can address.
    """

    def __init__(self, family: Family, options: ConversationOptions) -> None:
        if saving := [tool.name for tool in options.offered if not adds_to_full(tool)]:
            problem = f"rollout.tools: {', '.join(saving)} would never be offered"
            refuse_fixed_cost(family, problem, ", or set rollout.tools to []")
        self._family, self.options = family, options
        self.budget = Budget(options, family.addressable)
        self._rendering = Rendering(family, options.question_template, options.response_template)
        self._tools = {tool.name: tool for tool in options.offered}
        self._signatures = {n: signature(t, family.box_unit) for n, t in self._tools.items()}
        self._signatures |= options.signatures or {}
        self._first_view, self._limits = options.view, options.limits

    def views(self, sample: VQASample) -> Views:
        """Apply the pixel limits and make the first views; done nowhere else."""
        full = self._first_view.full(sample, self._limits)
        return Views(self._first_view.views(sample, full), full)

    def may_show(self, views: Views) -> list[Image.Image]:
        """Images that the prompt holds or that a tool may add to it, each object once."""
        first, full = images_of(views.first), images_of(views.full)
        if not self._tools:
            return first
        shown = [*first, *full] if self._offered(first, full) else full
        return list({id(image): image for image in shown}.values())

    def open(self, sample: VQASample) -> Opening:
        """Build the prompt. A tool is offered only where it could add something; where none could,
        the sample is shown in full."""
        views = sample.views or self.views(sample)
        low, full = images_of(views.first), images_of(views.full)
        tools = self._offered(low, full)
        first = self.seen(views.first if tools or not self._tools else views.full)
        ids, messages = self._rendering.prompt(self._system(tools), first, sample.question)
        trajectory = Trajectory(ids, first, self.visual_tokens(images_of(first)), tools)
        return Opening(sample, trajectory, list(views.full), self.visual_tokens(full), messages)

    def state(self, opening: Opening, trajectory: Trajectory) -> ViewState:
        """What a tool is told when a trajectory calls it."""
        return ViewState(
            opening.sample,
            opening.full,
            trajectory.views,
            self._limits,
            self._family.box_unit,
            self.budget.visual_tokens_left(trajectory),
        )

    def seen(self, views: Sequence[View]) -> list[View]:
        """Views that are shown, with the sizes in which they are read."""
        sizes = [self._family.seen(view.image) for view in views]
        return [
            replace(view, seen=(size.width, size.height))
            for view, size in zip(views, sizes, strict=True)
        ]

    def length(self, question: str, sizes: Sequence[Size]) -> PromptLength | None:
        """Count a prompt's tokens from the sizes of its images; ``None`` where the first view needs
        the pixels. Not for several threads at once: the tokenizer is switched
        between markup and words.

        Args:
            question: of the sample.
            sizes: of its images, upright, before the limits.
        """
        high = [self._limits.size(size) for size in sizes]
        low = [view for size in high if (view := self._first_view.size(size)) is not None]
        if len(low) < len(high):
            return None
        tools = self._offered(low, high)
        shown = low if tools or not self._tools else high
        tokens = self._rendering.prompt_length(self._system(tools), shown, question)
        return PromptLength(tokens, self.visual_tokens(shown))

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that ``length`` depends on, as plain values: the key of remembered lengths."""
        options = self.options
        return {
            "most": [options.max_prompt_tokens, options.max_visual_tokens, self.budget.tokens],
            "turn": options.max_new_tokens,
            "family": self._family.digest,
            "prompts": [self._system(tuple(self._tools)), self._system(())],
            "question_template": options.question_template,
            "tools": [_path(tool) for tool in self._tools.values()],
            "first_view": [_path(self._first_view), repr(vars(self._first_view))],
            "limits": repr(self._limits),
        }

    def _offered(self, first: Sequence[Shown], full: Sequence[Shown]) -> tuple[str, ...]:
        """Names of the tools that could add something to a first look."""
        counts = [[self._family.visual_tokens(image) for image in some] for some in (first, full)]
        return tuple(name for name, tool in self._tools.items() if tool.offers(*counts))

    def _system(self, tools: tuple[str, ...]) -> str:
        """The system prompt where these tools are on offer."""
        if not tools:
            return self.options.text_without_tools
        signatures = "\n".join(self._signatures[name] for name in tools)
        return self.options.text.replace(TOOLS_SLOT, signatures)

    def visual_tokens(self, images: Sequence[Shown]) -> int:
        """How many visual tokens images take together."""
        return sum(map(self._family.visual_tokens, images))

    def call(self, text: str, offered: Sequence[str]) -> ToolCall | None:
        """Read the tool call of a turn; ``None`` where it attempts none behind its thought.

        Raises:
            InvalidCall: not exactly one call, not JSON, no such tool, or arguments that its
                schema refuses.
        """
        tags = self._family.call_tags
        _, said = split_thought(text, tags)
        if tags[0] not in said:
            return None
        return parse_call(said, [self._tools[name] for name in offered], tags)

    def answer(self, text: str) -> str | None:
        """The answer of a turn behind its thought; ``None`` where there is none."""
        return extract_answer(text, self._family.call_tags)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``, special tokens included."""
        return self._family.decode(ids)

    def run(self, call: ToolCall, state: ViewState) -> ToolResult:
        """Carry out a valid call.

        Raises:
            InvalidCall: the tool can't do it now.
            ToolFailure: it failed.
        """
        try:
            return carried_out(self._tools[call.name], state, call.arguments)
        except ToolError as error:
            raise InvalidCall(str(error)) from error

    def respond(self, call: ToolCall, opening: Opening, trajectory: Trajectory) -> Response:
        """Carry out a valid call within the budget.

        Raises:
            InvalidCall: the tool can't do it now, or shows too much.
            ToolFailure: it failed.
        """
        result = self.run(call, self.state(opening, trajectory))
        response = self.response(opening, result)
        self.budget.check(trajectory, len(response.ids), response.visual_tokens)
        return response

    def response(self, opening: Opening, result: ToolResult) -> Response:
        """A result as the model reads it."""
        ids = self._rendering.response_ids(opening.messages, result)
        visual_tokens = self.visual_tokens(images_of(result.shown))
        return Response(ids, self.seen(result.shown), visual_tokens)

    def response_text(self, opening: Opening, result: ToolResult) -> str:
        """The same as text, each image one placeholder."""
        return self._rendering.response_text(opening.messages, result)


def signature(tool: VisualTool, box_unit: BoxUnit | None) -> str:
    """The tool's signature as the prompt shows it: JSON without spaces, which saves tokens.

    Raises:
        ConfigError: it speaks of the unit of boxes, and there is none.
    """
    if box_unit is None and BOX_UNIT in tool.description:
        raise ConfigError(
            f"rollout.tools: {type(tool).__name__} needs the unit in which the model names boxes, "
            "and its family says none; set the tool's option unit, or box_unit in the family's "
            "class"
        )
    return json.dumps(tool.signature(box_unit), separators=(",", ":"))


def _path(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
