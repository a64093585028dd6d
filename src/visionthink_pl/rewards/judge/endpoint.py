"""Requests with deadlines, retries and outages."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from dataclasses import dataclass
from typing import Any

from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI, OpenAIError

from visionthink_pl.rewards.judge.base import JudgeFailure
from visionthink_pl.rewards.judge.failures import (
    RETRIED,
    Malformed,
    Redirected,
    is_unreachable,
    retry_after,
)
from visionthink_pl.rewards.judge.key_removal import without_key

FIRST_PAUSE_S = 0.5  # doubled with each attempt
LONGEST_PAUSE_S = 20.0
QUIET_S = 5.0  # an endpoint that has answered any request within this time is not down

# What a body raises that is no JSON, too deep, of another shape, or with a content that is no text.
BAD_REPLY = (ValueError, LookupError, TypeError, AttributeError, RecursionError)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TimeLimits:
    """How long a request may take; in seconds, except for ``max_retries``.

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
    """The deadlines and failures of a case. Times are of the monotonic clock.

    Attributes:
        limit: when to give up while the endpoint is up; an outage postpones it.
        outage_limit: when to give up while the endpoint is down; set at the first outage during the
            case, and then kept.
        failures: failed attempts while the endpoint was up.
        attempts: all failed attempts.
    """

    limit: float
    outage_limit: float | None = None
    failures: int = 0
    attempts: int = 0


@dataclass(frozen=True)
class Reply:
    """A completion, and whether it ended by itself."""

    text: str
    finished: bool


class Endpoint:
    """One endpoint, and whether it is up. Used from one event loop only.

    Args:
        client: of the endpoint, without retries of its own.
        url: its address, for messages.
        key: the API key, which is removed from messages.
        limits: how long a request may take.
    """

    def __init__(self, client: AsyncOpenAI, url: str, key: str | None, limits: TimeLimits) -> None:
        self._client, self._url, self._key, self._limits = client, url, key, limits
        self._down_since: float | None = None
        self._answered_at = -math.inf

    def clock(self) -> Clock:
        """The ``Clock`` of a case that begins now."""
        return Clock(time.monotonic() + self._limits.deadline)

    async def complete(self, request: dict[str, Any], clock: Clock) -> Reply:
        """Send requests until there is a reply or the time is over.

        Args:
            request: arguments of a chat completion.
            clock: of the case.

        Raises:
            JudgeFailure: there was no reply in time, or the request can't succeed.
        """
        while True:
            try:
                reply = await self._attempt(request, clock)
            except (OpenAIError, Malformed, TimeoutError) as error:
                failure = error
            else:
                self._is_up()
                return reply
            pause = self._pause(failure, clock)
            if pause is None:  # raised outside of ``except``, so that it holds no request or header
                raise JudgeFailure(self._message(failure))
            await asyncio.sleep(pause)

    def without_key(self, text: str) -> str:
        """The text with the API key removed, as it is, encoded or in part."""
        return without_key(text, self._key) if self._key else text

    async def _attempt(self, request: dict[str, Any], clock: Clock) -> Reply:
        left = clock.limit - time.monotonic()
        async with asyncio.timeout(min(self._limits.timeout, left)):
            raw = await self._client.chat.completions.with_raw_response.create(**request)
            try:
                choice = raw.http_response.json()["choices"][0]
                text = choice["message"]["content"] or ""
                text.encode()  # half of a surrogate pair could not be sent back
                return Reply(text, choice["finish_reason"] == "stop")
            except BAD_REPLY as error:
                raise Malformed("its reply is no chat completion with a text") from error

    def _pause(self, failure: Exception, clock: Clock) -> float | None:
        """Seconds until the next attempt; ``None`` if there is no further one."""
        answered = isinstance(failure, APIStatusError | Malformed | Redirected)
        if answered and not is_unreachable(failure):
            self._is_up()
        if isinstance(failure, Redirected):
            return None
        if isinstance(failure, APIStatusError) and failure.status_code not in RETRIED:
            return None
        growing = min(FIRST_PAUSE_S * 2 ** min(clock.attempts, 16), LONGEST_PAUSE_S)
        asked = retry_after(failure)
        pause = growing * random.uniform(0.75, 1) if asked is None else asked
        clock.attempts += 1
        now = time.monotonic()
        if is_unreachable(failure) and now - self._answered_at > QUIET_S:
            return self._pause_in_outage(failure, clock, max(pause, 0.75 * FIRST_PAUSE_S))
        clock.failures += 1
        enough = clock.failures > self._limits.max_retries or now + pause >= clock.limit
        return None if enough else pause

    def _pause_in_outage(self, failure: Exception, clock: Clock, pause: float) -> float | None:
        """Seconds until the next attempt in an outage; ``None`` after its limit. The deadline of
        the case is postponed to after that attempt."""
        end = self._is_down(failure) + self._limits.max_outage
        clock.outage_limit = clock.outage_limit or end
        next_attempt = time.monotonic() + pause
        clock.limit = next_attempt + self._limits.deadline
        return pause if next_attempt < clock.outage_limit else None

    def _is_down(self, failure: Exception) -> float:
        """Record an outage with a warning. Returns when it began."""
        if self._down_since is None:
            self._down_since = time.monotonic()
            log.warning(
                "the judge at %s is down (%s); waiting for up to %.0f s",
                self._url,
                self._message(failure),
                self._limits.max_outage,
            )
        return self._down_since

    def _is_up(self) -> None:
        """Record that the endpoint answers; log it after an outage."""
        self._answered_at = time.monotonic()
        if self._down_since is not None:
            waited, self._down_since = self._answered_at - self._down_since, None
            log.warning("the judge at %s is back after %.0f s", self._url, waited)

    def _message(self, failure: Exception) -> str:
        if isinstance(failure, (TimeoutError, APITimeoutError)):
            return f"no reply within {self._limits.timeout:g} s"
        cause = failure.__cause__ if isinstance(failure, APIConnectionError) else None
        text = " ".join(str(cause or failure).split())
        return self.without_key(text or type(failure).__name__)
