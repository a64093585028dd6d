"""Texts and images as ids: rendered by the model's own chat template, then tokenized.

What follows a call is that template's delta, so that the history stays the ids that were sampled:
nothing is decoded and encoded again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from PIL import Image

from visionthink_pl.families import Family, Message
from visionthink_pl.images import Size
from visionthink_pl.rollout.prompt_files import QUESTION_SLOT, RESULT_SLOT
from visionthink_pl.types import ConfigError, View, images_of
from visionthink_pl.visual_tools import ToolResult

# What stands for a text while the chat template is rendered around it.
QUESTION = "\x00question\x00"  # the user's words, which are no markup
TURN = "\x00turn\x00"  # the sampled ids, which are never rendered again


class Rendering:
    """Renders prompts and tool responses for one model family.

    Args:
        family: whose template and tokenizer are used.
        question_template: of the user's turn, with its slot.
        response_template: of a response that shows something, with its slot; ``None`` for the
            family's tags.
    """

    def __init__(
        self,
        family: Family,
        question_template: str = QUESTION_SLOT,
        response_template: str | None = None,
    ) -> None:
        self._family = family
        # Words beside the question are tokenized together with it, unless they are markup.
        apart = family.holds_markup(question_template)
        self._around = question_template.replace(QUESTION_SLOT, QUESTION) if apart else QUESTION
        self._words = QUESTION_SLOT if apart else question_template
        before, behind = family.response_tags
        self._default = f"{before}\n{RESULT_SLOT}\n{behind}"
        self._response_template = response_template or self._default
        self._frame_tokens = lru_cache(self._count_frame)

    def prompt(
        self, system: str, shown: Sequence[View], question: str
    ) -> tuple[list[int], list[Message]]:
        """Ids of a prompt, and the prompt as messages, its question left open."""
        messages, words = self._messages(system, shown)
        rendered = self._family.render(messages, True)
        ids = self._encode(rendered, words | {QUESTION: self._asked(question)}, images_of(shown))
        return ids, messages

    def prompt_length(self, system: str, sizes: Sequence[Size], question: str) -> int:
        """How many ids a prompt has whose views have these sizes and no captions. Not for several
        threads at once: the tokenizer is switched between markup and words."""
        words = len(self._family.encode_words(self._asked(question)))
        return self._frame_tokens(system, len(sizes)) + words + self._image_ids(sizes)

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

    def _asked(self, question: str) -> str:
        return self._words.replace(QUESTION_SLOT, question)

    def _messages(self, system: str, shown: Sequence[View]) -> tuple[list[Message], dict[str, str]]:
        """A prompt without its question, and the words that are to be told as no markup."""
        content, words = self._content(shown)
        content.append({"type": "text", "text": self._around})
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

    def _count_frame(self, system: str, images: int) -> int:
        """Text tokens of a prompt without its question."""
        messages, _ = self._messages(system, [View(Image.new("1", (1, 1)))] * images)
        before, after = self._family.render(messages, True).split(QUESTION)
        blank = [Size(1, 1)] * images
        tokens = len(self._family.encode(before, blank)) + len(self._family.encode(after, []))
        return tokens - self._image_ids(blank)

    def _image_ids(self, images: Sequence[Size]) -> int:
        """How many ids take the place of images, those between visual tokens included."""
        return sum(len(self._family.image_ids(image)) for image in images)

    def _response(
        self, messages: Sequence[Message], result: ToolResult
    ) -> tuple[str, dict[str, str]]:
        """The text, and the words in it that are told as no markup."""
        template = self._response_template if result.shown else self._default
        before, behind = template.split(RESULT_SLOT)
        words: dict[str, str] = {}
        start = self._told("text", result.text, words)
        shown, captions = self._content(result.shown)
        words |= captions
        end = self._told("ending", result.ending, words)
        content = [{"type": "text", "text": f"{before}{start}"}, *shown]
        content += [{"type": "text", "text": f"{end}{behind}"}]
        after: list[Message] = [
            {"role": "assistant", "content": TURN},
            {"role": "user", "content": content},
        ]
        delta = self._family.render([*messages, *after], True).split(TURN)[1]
        close = self._family.decode([self._family.end_of_turn_id])
        if not delta.startswith(close):
            raise ConfigError(f"the chat template does not end an assistant turn with {close!r}")
        return delta.removeprefix(close), words
