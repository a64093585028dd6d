"""Requests that are refused, in OpenAI's format of errors."""

from __future__ import annotations

from typing import Any


class RequestRefused(ValueError):
    """A request that can't be answered; the message says what would be right.

    Args:
        message: for the person who sent it.
        param: name of the field at fault.
        status: of HTTP.
        code: short name of the fault, for programs.
    """

    def __init__(
        self, message: str, param: str | None = None, status: int = 400, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.param, self.status, self.code = param, status, code


def error_body(
    message: str, status: int, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """The body of an error."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
