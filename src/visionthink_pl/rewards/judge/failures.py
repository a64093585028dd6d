"""Failures of a request: which are retried, and which are an outage."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from httpx2 import ConnectError, ConnectTimeout
from openai import APIStatusError, OpenAIError

RETRIED = (408, 409, 429, 500, 502, 503, 504)  # the state may be temporary
DOWN = (502, 503, 504)  # a gateway's answer if the server behind it does not answer


class Malformed(Exception):
    """A reply that violates the protocol."""


class Redirected(OpenAIError):
    """The endpoint redirects to another server, to which nothing is sent."""


def is_unreachable(failure: Exception) -> bool:
    """Whether the endpoint did not answer: no connection, or 502 to 504."""
    if isinstance(failure, APIStatusError):
        return failure.status_code in DOWN
    return isinstance(failure.__cause__, (ConnectError, ConnectTimeout))


def retry_after(error: Exception) -> float | None:
    """Seconds to wait that the endpoint asks for, by a number or a date (RFC 9110, 10.2.3)."""
    header = isinstance(error, APIStatusError) and error.response.headers.get("retry-after")
    if not header:
        return None
    try:
        seconds = float(header)
        return None if math.isnan(seconds) else max(seconds, 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None
