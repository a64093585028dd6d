"""The HTTP client of an endpoint."""

from __future__ import annotations

from httpx2 import URL, Request
from openai import AsyncOpenAI, DefaultAsyncHttpx2Client, Timeout

from visionthink_pl.rewards.judge.failures import Redirected


def make_client(url: str, key: str | None, timeout: float) -> AsyncOpenAI:
    """A client that sends nothing to another host, whatever the endpoint says.

    Args:
        url: of the endpoint.
        key: the API key, if one is needed.
        timeout: of one attempt, in seconds.
    """
    limits = Timeout(timeout, connect=timeout / 2)  # a failed connection is noticed before the end
    own = URL(url)

    async def stays(request: Request) -> None:
        """Called before each request, those of a redirect included: its body holds the question,
        the truth and the answer, and its reply would be believed."""
        if not same_server(own, request.url):
            raise Redirected(
                f"it redirects to another server, {request.url.host}; set base_url to an address "
                "that needs no redirect"
            )

    return AsyncOpenAI(
        base_url=url,
        api_key=key or "none",
        max_retries=0,  # the client's own retries have no deadline
        timeout=limits,
        http_client=DefaultAsyncHttpx2Client(timeout=limits, event_hooks={"request": [stays]}),
    )


def same_server(own: URL, other: URL) -> bool:
    """Whether both are one server; from http to https its port may change too."""
    if own.host != other.host:
        return False
    return (own.scheme, own.port) == (other.scheme, other.port) or (
        own.scheme == "http" and other.scheme == "https"
    )
