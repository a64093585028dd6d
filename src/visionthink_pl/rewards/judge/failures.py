"""Failures of a request: retry, outage or fault of the request."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from httpx2 import ConnectError, ConnectTimeout
from openai import APIStatusError

AGAIN = (408, 409, 429, 500, 502, 503, 504)  # states that may pass
DOWN = (502, 503, 504)  # what a gateway says when nobody stands behind it


class Malformed(Exception):
    """A reply that is not what the protocol promises."""


def nobody_there(failure: Exception) -> bool:
    """Whether the endpoint is down: no connection, or 502 to 504."""
    if isinstance(failure, APIStatusError):
        return failure.status_code in DOWN
    return isinstance(failure.__cause__, (ConnectError, ConnectTimeout))


def retry_after(error: Exception) -> float | None:
    """Seconds that the endpoint asks to wait: a number or a date (RFC 9110, 10.2.3)."""
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
