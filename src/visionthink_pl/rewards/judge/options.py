"""Checks of an endpoint's options before the first request."""

from __future__ import annotations

import inspect
import os
import re
from typing import Any
from urllib.parse import urlsplit

from openai.resources.chat import AsyncCompletions

from visionthink_pl.types import ConfigError

OURS = {"self", "messages", "model", "stream", "n", "timeout"}  # arguments that are not to be set
KEY = re.compile(r"[!-~]+")  # what a header can hold, and what can be found again in a message


def check_address(url: str) -> None:
    """Refuse what is no address, and one that holds a secret.

    Raises:
        ConfigError: it is; the message does not repeat it.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("APIJudge.base_url: an address such as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query:
        raise ConfigError(
            "APIJudge.base_url: holds a user name, a password or a query; keys belong into the "
            "environment variable that api_key_env names"
        )


def check_request(request: dict[str, Any]) -> None:
    """Refuse arguments that a chat completion does not have, or that are not the user's to set.

    Raises:
        ConfigError: there is one.
    """
    if "extra_headers" in request:
        raise ConfigError(
            "APIJudge.request: extra_headers would end up in the log folder's config; a key "
            "belongs into the environment variable that api_key_env names"
        )
    known = set(inspect.signature(AsyncCompletions.create).parameters) - OURS
    if unknown := sorted(set(request) - known):
        raise ConfigError(f"APIJudge.request: {unknown[0]!r} is no argument that can be set here")


def read_key(variable: str | None) -> str | None:
    """The key in an environment variable; ``None`` where no variable is named.

    Raises:
        ConfigError: the variable is not set, or holds something that is no key.
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
