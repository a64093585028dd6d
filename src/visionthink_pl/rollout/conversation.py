"""Prompts and tool responses: rendered by the chat template, tokenized, with images.

Messages are rendered by the model's own chat template. What follows a call is that template's
delta, so that the history stays the ids that were sampled: nothing is decoded and re-encoded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from PIL import Image

from visionthink_pl.families import Family, Message
from visionthink_pl.families.fixed_cost import refuse_fixed_cost
from visionthink_pl.images import Size
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.opening import Opening, PromptLength
from visionthink_pl.rollout.prompt_files import TOOLS_SLOT
from visionthink_pl.rollout.replies import InvalidCall, extract_answer, parse_call, split_thought
from visionthink_pl.types import (
    ConfigError,
    ToolCall,
    Trajectory,
    View,
    Views,
    VQASample,
    images_of,
)
from visionthink_pl.visual_tools import ToolError, ToolResult, ViewState, VisualTool, carried_out

# What stands for a text while the chat template is rendered around it.
QUESTION = "\x00question\x00"  # the user's words, which are no markup
TURN = "\x00turn\x00"  # the sampled ids, which are never rendered again


class Conversation:
    """Renders prompts and tool responses for one model family.

    Args:
        family: whose template and tokenizer are used.
        options: what the model is shown and told.

    Raises:
        ConfigError: tools would never be offered, since no image can save the family a token.
    """

    def __init__(self, family: Family, options: ConversationOptions) -> None:
        if options.offered:
            names = ", ".join(tool.name for tool in options.offered)
            problem = f"rollout.tools: {names} would never be offered"
            refuse_fixed_cost(family, problem, ", or set rollout.tools to []")
        self._family, self.options = family, options
        self._tools = {tool.name: tool for tool in options.offered}
        signatures = "\n".join(signature(tool) for tool in options.offered)
        self._prompt = options.text.replace(TOOLS_SLOT, signatures)
        self._prompt_without_tools = options.text_without_tools
        self._first_view, self._limits = options.view, options.limits
        self._frame_tokens = lru_cache(self._count_frame)

    def views(self, sample: VQASample) -> Views:
        """Apply the pixel limits and make the first views; done nowhere else."""
        full = self._first_view.full(sample, self._limits)
        return Views(self._first_view.views(sample, full), full)

    def may_show(self, views: Views) -> list[Image.Image]:
        """Images that the prompt holds or that a tool may add to it."""
        first, full = images_of(views.first), images_of(views.full)
        if not self._tools:
            return first
        return [*first, *full] if self._offers(first, full) else full

    def open(self, sample: VQASample) -> Opening:
        """Build the prompt. A tool is offered only where the second look could add pixels."""
        views = sample.views or self.views(sample)
        low, full = images_of(views.first), images_of(views.full)
        offer = self._offers(low, full)
        first = self.seen(views.first if offer or not self._tools else views.full)
        messages, words = self._messages(offer, first)
        rendered = self._family.render(messages, True)
        ids = self._encode(rendered, words | {QUESTION: sample.question}, images_of(first))
        tools = tuple(self._tools) if offer else ()
        trajectory = Trajectory(ids, first, self.visual_tokens(images_of(first)), tools)
        return Opening(sample, trajectory, list(views.full), self.visual_tokens(full), messages)

    def state(self, opening: Opening, trajectory: Trajectory) -> ViewState:
        """What a tool is told when a trajectory calls it."""
        return ViewState(opening.sample, opening.full, trajectory.views, self._limits)

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
        offer = self._offers(low, high)
        shown = low if offer or not self._tools else high
        visual = self.visual_tokens(shown)
        words = len(self._family.encode_words(question))
        frame = self._frame_tokens(offer, len(high))
        return PromptLength(frame + words + self._image_ids(shown), visual)

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that ``length`` depends on, as plain values: the key of remembered lengths."""
        view = type(self._first_view)
        return {
            "family": self._family.digest,
            "prompts": [self._prompt, self._prompt_without_tools],
            "tools": list(self._tools),
            "first_view": [f"{view.__module__}.{view.__qualname__}", repr(vars(self._first_view))],
            "limits": repr(self._limits),
        }

    def _offers(
        self, low: Sequence[Image.Image | Size], high: Sequence[Image.Image | Size]
    ) -> bool:
        return bool(self._tools) and self.visual_tokens(low) < self.visual_tokens(high)

    def _messages(self, offer: bool, shown: Sequence[View]) -> tuple[list[Message], dict[str, str]]:
        """A prompt without its question, and the words that are to be told as no markup."""
        content, words = self._content(shown)
        content.append({"type": "text", "text": QUESTION})
        system = self._prompt if offer else self._prompt_without_tools
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": content},
        ], words

    def _content(self, shown: Sequence[View]) -> tuple[list[dict[str, str]], dict[str, str]]:
        """Views as parts of a message, each behind its caption; and captions that hold markup, by
        what stands in their place."""
        parts: list[dict[str, str]] = []
        words: dict[str, str] = {}
        for number, view in enumerate(shown):
            if view.caption:
                parts.append({"type": "text", "text": self._told(number, view.caption, words)})
            parts.append({"type": "image"})
        return parts, words

    def _told(self, name: object, text: str, words: dict[str, str]) -> str:
        """The text, or what stands in its place where it holds markup: it is no markup itself."""
        if not self._family.holds_markup(text):
            return text
        words[slot := f"\x00{name}\x00"] = text
        return slot

    def _encode(
        self, rendered: str, words: Mapping[str, str], images: Sequence[Image.Image]
    ) -> list[int]:
        """Tokenize a rendered text in which words, in their order, are no markup."""
        family, ids, rest, left = self._family, list[int](), rendered, list(images)
        for slot, text in words.items():
            before, rest = rest.split(slot)
            shown = before.count(family.placeholder)
            ids += family.encode(before, left[:shown]) + family.encode_words(text)
            del left[:shown]
        return ids + family.encode(rest, left)

    def _count_frame(self, offer: bool, images: int) -> int:
        """Text tokens of a prompt without its question."""
        messages, _ = self._messages(offer, [View(Image.new("1", (1, 1)))] * images)
        before, after = self._family.render(messages, True).split(QUESTION)
        blank = [Size(1, 1)] * images
        tokens = len(self._family.encode(before, blank)) + len(self._family.encode(after, []))
        return tokens - self._image_ids(blank)

    def _image_ids(self, images: Sequence[Size]) -> int:
        """How many ids take the place of images, those between visual tokens included."""
        return sum(len(self._family.image_ids(image)) for image in images)

    def visual_tokens(self, images: Sequence[Image.Image | Size]) -> int:
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

    def response_ids(self, messages: Sequence[Message], result: ToolResult) -> list[int]:
        """Ids of a tool response, up to the next generation prompt."""
        text, words = self._response(messages, result)
        return self._encode(text, words, images_of(result.shown))

    def response_text(self, messages: Sequence[Message], result: ToolResult) -> str:
        """A tool response as text: the template's delta, from behind the
        end-of-turn token to the next generation prompt, each image one placeholder."""
        text, words = self._response(messages, result)
        for slot, told in words.items():
            text = text.replace(slot, told)
        return text

    def _response(
        self, messages: Sequence[Message], result: ToolResult
    ) -> tuple[str, dict[str, str]]:
        """The text, and the words in it that are told as no markup."""
        before, behind = self._family.response_tags
        words: dict[str, str] = {}
        start = self._told("text", result.text, words)
        shown, captions = self._content(result.shown)
        words |= captions
        end = self._told("ending", result.ending, words)
        content = [{"type": "text", "text": f"{before}\n{start}"}, *shown]
        content += [{"type": "text", "text": f"{end}\n{behind}"}]
        after: list[Message] = [
            {"role": "assistant", "content": TURN},
            {"role": "user", "content": content},
        ]
        delta = self._family.render([*messages, *after], True).split(TURN)[1]
        close = self._family.decode([self._family.end_of_turn_id])
        if not delta.startswith(close):
            raise ConfigError(f"the chat template does not end an assistant turn with {close!r}")
        return delta.removeprefix(close), words


def signature(tool: VisualTool) -> str:
    """The tool's signature as the prompt shows it: JSON without spaces, which saves tokens."""
    return json.dumps(tool.signature, separators=(",", ":"))
