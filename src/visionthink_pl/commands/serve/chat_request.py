"""Reads a request of ``/v1/chat/completions``."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from visionthink_pl.commands.serve.refusal import RequestRefused
from visionthink_pl.commands.serve.request_images import image_bytes, looked_at
from visionthink_pl.data.texts import abbreviated, not_unicode, printable

MOST_CHARACTERS = 32_768  # of a question
MOST_TEMPERATURE = 2.0
# What says nothing about the answer, and is passed over.
PASSED_OVER = ("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key")
KNOWN = (
    "model",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "seed",
    "stream",
    "stream_options",
)
# Fields of which one value alone is what happens here.
ONLY = {"n": 1, "frequency_penalty": 0, "presence_penalty": 0, "logprobs": False}


@dataclass(frozen=True)
class RequestLimits:
    """What a request may hold.

    Attributes:
        model: name of the model that answers.
        max_new_tokens: that a turn may have.
        max_images: of a question.
        max_pixels: of its images together, as they are sent.
        max_bytes: of an image that is fetched.
        allow_urls: whether images are fetched from the web.
    """

    model: str
    max_new_tokens: int
    max_images: int
    max_pixels: int
    max_bytes: int
    allow_urls: bool


@dataclass(frozen=True)
class ChatRequest:
    """A question.

    Attributes:
        key: what its random numbers depend on.
        question: the words.
        images: files, in the order in which they are shown.
        pixels: of the images together.
        max_new_tokens: that a turn may have.
        temperature: of sampling; 0 is greedy.
        stream: whether the reply is sent as events.
        stream_usage: whether these end with the usage.
    """

    key: str
    question: str
    images: tuple[bytes, ...]
    pixels: int
    max_new_tokens: int
    temperature: float
    stream: bool
    stream_usage: bool


def read_request(body: bytes, limits: RequestLimits) -> ChatRequest:
    """Read a request.

    Raises:
        RequestRefused: it is none, or asks for what can't be done here.
    """
    fields = read_fields(body)
    _check_fields(fields, limits)
    question, urls = _message(fields.get("messages"))
    if not 1 <= len(urls) <= limits.max_images:
        raise RequestRefused(
            f"messages: from 1 to {limits.max_images} images (image_url), not {len(urls)}",
            "messages",
        )
    images = tuple(image_bytes(url, limits.allow_urls, limits.max_bytes) for url in urls)
    sizes = [looked_at(image) for image in images]
    pixels = sum(size.width * size.height for size in sizes)
    if pixels > limits.max_pixels:
        raise RequestRefused(
            f"messages: images of {limits.max_pixels:,} pixels together at most, not {pixels:,}",
            "messages",
        )
    seed = _number(fields, "seed", -(2**63), 2**63 - 1, whole=True)
    options = fields.get("stream_options")
    return ChatRequest(
        str(uuid.uuid4()) if seed is None else f"seed {seed}",
        question,
        images,
        pixels,
        min(_max_tokens(fields) or limits.max_new_tokens, limits.max_new_tokens),
        _number(fields, "temperature", 0, MOST_TEMPERATURE) or 0.0,
        fields.get("stream") is True,
        isinstance(options, Mapping) and options.get("include_usage") is True,
    )


def read_fields(body: bytes) -> dict[str, Any]:
    """The fields of a JSON object, those that are null left out.

    Raises:
        RequestRefused: it is none.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestRefused(f"the body is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise RequestRefused("the body must be a JSON object")
    return {key: value for key, value in fields.items() if value is not None}


def _check_fields(fields: Mapping[str, Any], limits: RequestLimits) -> None:
    model = fields.get("model")
    if model != limits.model:
        raise RequestRefused(
            f"model: this server has {limits.model!r}, not {abbreviated(model)}",
            "model",
            404,
            "model_not_found",
        )
    for key, value in fields.items():
        if key in ONLY and value != ONLY[key]:
            raise RequestRefused(f"{key}: {json.dumps(ONLY[key])} alone", key)
        if key not in (*KNOWN, *PASSED_OVER, *ONLY, "top_p"):
            raise RequestRefused(f"{abbreviated(key)} is not known here", printable(key))
    if not isinstance(fields.get("stream", False), bool):
        raise RequestRefused("stream: true or false", "stream")
    temperature = _number(fields, "temperature", 0, MOST_TEMPERATURE)
    if _number(fields, "top_p", 0, 1) not in (None, 1) and temperature:
        raise RequestRefused("top_p: 1 where temperature is above 0", "top_p")


def _max_tokens(fields: Mapping[str, Any]) -> int | None:
    found = [
        int(value)
        for key in ("max_tokens", "max_completion_tokens")
        if (value := _number(fields, key, 1, 2**31, whole=True)) is not None
    ]
    return min(found, default=None)


def _number(
    fields: Mapping[str, Any], key: str, least: float, most: float, whole: bool = False
) -> float | None:
    value = fields.get(key)
    if value is None:
        return None
    right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not right or not least <= value <= most:
        kind = "a whole number" if whole else "a number"
        raise RequestRefused(f"{key}: {kind} from {least} to {most}, not {abbreviated(value)}", key)
    return value


def _message(messages: Any) -> tuple[str, list[str]]:
    """The question, and the URLs of its images."""
    if not isinstance(messages, list) or not messages:
        raise RequestRefused("messages: a list of one message of the user", "messages")
    for message in messages:
        role = message.get("role") if isinstance(message, Mapping) else None
        if role in ("system", "developer"):
            raise RequestRefused(
                "messages: no system message: the model has the one that it was trained with; "
                "write what you want to say into the question",
                "messages",
            )
        if role != "user" or len(messages) > 1:
            raise RequestRefused(
                "messages: one message of the user; the model was not trained on conversations "
                "with earlier turns",
                "messages",
            )
    return _content(messages[0].get("content"))


def _content(content: Any) -> tuple[str, list[str]]:
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list):
        raise RequestRefused("messages: content must be a text, or a list of parts", "messages")
    texts, urls = [], []
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        image = part.get("image_url") if kind == "image_url" else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif isinstance(image, Mapping) and isinstance(image.get("url"), str):
            urls.append(image["url"])
        else:
            raise RequestRefused(
                'messages: each part {"type": "text", "text": ...} or {"type": "image_url", '
                f'"image_url": {{"url": ...}}}}, not {abbreviated(part)}',
                "messages",
            )
    return _question("\n".join(texts)), urls


def _question(text: str) -> str:
    if not text.strip():
        raise RequestRefused("messages: the question is empty", "messages")
    if len(text) > MOST_CHARACTERS:
        raise RequestRefused(
            f"messages: a question of {MOST_CHARACTERS:,} characters at most, not {len(text):,}",
            "messages",
            code="context_length_exceeded",
        )
    if (why := not_unicode(text)) is not None:
        raise RequestRefused(f"messages: {why}", "messages")
    return text
