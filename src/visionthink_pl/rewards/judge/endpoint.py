"""Requests that end: attempts, pauses and outages, within limits."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI, OpenAIError

from visionthink_pl.rewards.judge.base import JudgeFailure

FIRST_PAUSE_S = 0.5  # doubled with each attempt
LONGEST_PAUSE_S = 20.0
AGAIN = (408, 409, 429, 500, 502, 503, 504)  # states that may pass
DOWN = (502, 503, 504)  # what a gateway says when nobody stands behind it


class Malformed(Exception):
    """A reply that is not what the protocol promises."""


ANSWERED = (type(None), APIStatusError, Malformed)  # somebody was there

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long a request may take; all in seconds but ``max_retries``.

    Attributes:
        timeout: of one attempt.
        deadline: of all attempts, while the endpoint is up.
        max_retries: attempts after the first, while the endpoint is up.
        max_outage: how long to wait for an endpoint that is down.
    """

    timeout: float
    deadline: float
    max_retries: int
    max_outage: float


@dataclass
class Clock:
    """When a case must be done, on the monotonic clock."""

    limit: float


@dataclass(frozen=True)
class Reply:
    """What the model said, and whether it came to its own end."""

    text: str
    finished: bool


class Endpoint:
    """One endpoint, and whether it is up. Used from one event loop only.

    Args:
        client: of the endpoint, without retries of its own.
        url: its address, for messages.
        key: the API key, which is struck out of messages.
        patience: how long a request may take.
    """

    def __init__(self, client: AsyncOpenAI, url: str, key: str | None, patience: Patience) -> None:
        self._client, self._url, self._key, self._patience = client, url, key, patience
        self._down_since: float | None = None

    def clock(self) -> Clock:
        """The clock of a case that begins now."""
        return Clock(time.monotonic() + self._patience.deadline)

    async def complete(self, request: dict[str, Any], clock: Clock) -> Reply:
        """Ask until there is a reply, or no time is left.

        Args:
            request: arguments of a chat completion.
            clock: of the case. An outage sets it back, and is limited by ``max_outage``.

        Raises:
            JudgeFailure: there was no reply in time, or there can be none.
        """
        attempt = 0
        while True:
            try:
                reply = await self._attempt(request, clock)
            except (OpenAIError, Malformed, TimeoutError) as error:
                self._note(error)
                pause = self._pause(error, attempt)
                if pause is None or time.monotonic() + pause >= self._end(clock):
                    raise JudgeFailure(self._message(error)) from None
                was_down = self._down_since is not None
                await asyncio.sleep(pause)
                if was_down:
                    clock.limit = self.clock().limit
                attempt += 1
            else:
                self._note(None)
                return reply

    async def _attempt(self, request: dict[str, Any], clock: Clock) -> Reply:
        left = clock.limit - time.monotonic()
        async with asyncio.timeout(min(self._patience.timeout, left)):
            raw = await self._client.chat.completions.with_raw_response.create(**request)
            try:
                choice = raw.http_response.json()["choices"][0]
                return Reply(choice["message"]["content"] or "", choice["finish_reason"] == "stop")
            except (ValueError, LookupError, TypeError) as error:
                raise Malformed("its reply is no chat completion") from error

    def _end(self, clock: Clock) -> float:
        """When to give up."""
        if self._down_since is None:
            return clock.limit
        return self._down_since + self._patience.max_outage

    def _note(self, error: Exception | None) -> None:
        """Keep in mind whether the endpoint is up, and say when that changes."""
        if error is not None and _down(error):
            if self._down_since is None:
                self._down_since = time.monotonic()
                log.warning(
                    "the judge at %s is down (%s); waiting for up to %.0f s",
                    self._url,
                    self._message(error),
                    self._patience.max_outage,
                )
        elif self._down_since is not None and isinstance(error, ANSWERED):
            waited = time.monotonic() - self._down_since
            self._down_since = None
            log.warning("the judge at %s is back after %.0f s", self._url, waited)

    def _pause(self, error: Exception, attempt: int) -> float | None:
        """Seconds until the next attempt; ``None`` where another would not help."""
        if isinstance(error, APIStatusError) and error.status_code not in AGAIN:
            return None
        if self._down_since is None and attempt >= self._patience.max_retries:
            return None
        if isinstance(error, APIStatusError) and (asked := _retry_after(error)) is not None:
            return asked
        return min(FIRST_PAUSE_S * 2**attempt, LONGEST_PAUSE_S) * random.uniform(0.75, 1)

    def _message(self, error: Exception) -> str:
        if isinstance(error, (TimeoutError, APITimeoutError)):
            said = f"no reply within {self._patience.timeout:g} s"
        else:
            cause = error.__cause__ if isinstance(error, APIConnectionError) else None
            said = " ".join(str(cause or error).split()) or type(error).__name__
        return said.replace(self._key, "[key]") if self._key else said


def _down(error: Exception) -> bool:
    """Whether nobody is there, other than somebody who fails."""
    if isinstance(error, APIStatusError):
        return error.status_code in DOWN
    return type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout")


def _retry_after(error: APIStatusError) -> float | None:
    """Seconds that the endpoint asks to wait: a number or a date (RFC 9110, 10.2.3)."""
    header = error.response.headers.get("retry-after")
    if header is None:
        return None
    try:
        return max(float(header), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None
