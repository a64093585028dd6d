"""The endpoint's routes and errors."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from visionthink_pl.commands.serve.chat_reply import events, reply
from visionthink_pl.commands.serve.chat_request import RequestLimits, read_request
from visionthink_pl.commands.serve.refusal import RequestRefused, error_body
from visionthink_pl.commands.serve.waiting import Waiting


def chat_app(waiting: Waiting, limits: RequestLimits, max_body: int) -> FastAPI:
    """The application.

    Args:
        waiting: where requests are answered.
        limits: of a request.
        max_body: bytes that a request may have.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(RequestRefused, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _failed)
    model = {"id": limits.model, "object": "model", "created": int(time.time())}
    model["owned_by"] = "visionthink_pl"

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": [model]}

    @app.get("/v1/models/{name:path}")
    def one_model(name: str) -> dict[str, Any]:
        if name != limits.model:
            raise RequestRefused(
                f"this server has {limits.model!r}", "model", 404, "model_not_found"
            )
        return model

    @app.post("/v1/chat/completions")
    async def completions(request: Request) -> Response:
        body = await read_body(request, max_body)
        asked = await run_in_threadpool(read_request, body, limits)
        group = await asyncio.wrap_future(waiting.submit(asked))
        whole = reply(group, limits.model)
        if not asked.stream:
            return JSONResponse(whole)
        return StreamingResponse(
            iter(list(events(whole, asked.stream_usage))), media_type="text/event-stream"
        )

    return app


async def read_body(request: Request, most: int) -> bytes:
    """The body of a request.

    Args:
        request: whose body is JSON.
        most: bytes that it may have.

    Raises:
        RequestRefused: it says that it is something else, or has more.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # a page of the web could send any other without asking
        raise RequestRefused("send the header Content-Type: application/json", status=415)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise RequestRefused(f"a request of {most:,} bytes at most", status=413)
    return bytes(body)


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestRefused)
    body = error_body(str(error), error.status, error.param, error.code)
    return JSONResponse(body, error.status)


def _no_route(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}"
    return JSONResponse(error_body(message, error.status_code), error.status_code, error.headers)


def _failed(request: Request, error: Exception) -> JSONResponse:
    message = "the request could not be answered; the server's log says why"
    return JSONResponse(error_body(message, 500), 500)
