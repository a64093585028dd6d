"""Checks of an endpoint's options before the first request."""

from __future__ import annotations

import inspect
import os
import re
from typing import Any
from urllib.parse import urlsplit

from openai.resources.chat import AsyncCompletions

from visionthink_pl.types import ConfigError

RESERVED = {"self", "messages", "model", "stream", "n", "timeout"}  # set by the judge itself
KEY = re.compile(r"[!-~]+")  # valid in a header, and found again in a message


def check_address(url: str) -> None:
    """Check the address of an endpoint.

    Raises:
        ConfigError: it is no address, or it may hold a secret; the message does not repeat it.
    """
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.hostname:
        raise ConfigError("APIJudge.base_url: an address such as http://localhost:8000/v1")
    if split.username or split.password or split.query:
        raise ConfigError(
            "APIJudge.base_url: holds a user name, a password or a query; keys belong into the "
            "environment variable that api_key_env names"
        )


def check_request(request: dict[str, Any]) -> None:
    """Check the arguments of a request.

    Raises:
        ConfigError: a chat completion has no such argument, or it can't be set here.
    """
    if "extra_headers" in request:
        raise ConfigError(
            "APIJudge.request: extra_headers would end up in the log folder's config; a key "
            "belongs into the environment variable that api_key_env names"
        )
    known = set(inspect.signature(AsyncCompletions.create).parameters) - RESERVED
    if unknown := sorted(set(request) - known):
        raise ConfigError(f"APIJudge.request: {unknown[0]!r} is no argument that can be set here")


def read_key(variable: str | None) -> str | None:
    """The key in an environment variable; ``None`` if no variable is named.

    Raises:
        ConfigError: the variable is not set, or its value can't be a key.
    """
    if variable is None:
        return None
    if key := os.environ.get(variable, "").strip():
        if KEY.fullmatch(key):
            return key
        raise ConfigError(
            f"APIJudge.api_key_env: {variable} holds white space or characters that no key has"
        )
    raise ConfigError(
        f"APIJudge.api_key_env: the environment variable {variable} is not set; set it, or set "
        "api_key_env to null for an endpoint that needs no key"
    )
