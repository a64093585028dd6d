"""The page on which an image is asked about: both looks, the words, the tokens."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse
from PIL import Image
from starlette.concurrency import run_in_threadpool

from visionthink_pl.commands.answering.looks import answer_line, second_look_line, tokens_line
from visionthink_pl.commands.serve.chat_app import read_body
from visionthink_pl.commands.serve.chat_request import RequestLimits, read_fields, read_request
from visionthink_pl.commands.serve.refusal import RequestRefused
from visionthink_pl.commands.serve.waiting import Waiting
from visionthink_pl.types import Group

FILES = {"/": ("page.html", "text/html"), "/page.js": ("page.js", "text/javascript")}
# Nothing but the page's own script runs, whatever a model writes.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)


def add_page(
    app: FastAPI,
    waiting: Waiting,
    limits: RequestLimits,
    max_body: int,
    call_tags: tuple[str, str],
) -> None:
    """Add the page to the endpoint.

    Args:
        app: of the endpoint.
        waiting: where requests are answered.
        limits: of a request.
        max_body: bytes that a request may have.
        call_tags: of the family.
    """
    for path, (name, kind) in FILES.items():
        _add_file(app, path, Path(__file__).with_name(name), kind)

    @app.post("/page/ask")
    async def ask(request: Request) -> JSONResponse:
        fields = read_fields(await read_body(request, max_body))
        asked = await run_in_threadpool(read_request, _as_chat(fields, limits), limits)
        group = await asyncio.wrap_future(waiting.submit(asked))
        return JSONResponse(await run_in_threadpool(shown, group, call_tags))


def _add_file(app: FastAPI, path: str, file: Path, kind: str) -> None:
    @app.get(path)
    def send() -> FileResponse:
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        return FileResponse(file, media_type=kind, headers=headers)


def _as_chat(fields: dict[str, Any], limits: RequestLimits) -> bytes:
    question, image = fields.get("question"), fields.get("image")
    if not isinstance(question, str) or not isinstance(image, str):
        raise RequestRefused("question and image: two texts, the image as a data URL")
    parts = [
        {"type": "image_url", "image_url": {"url": image}},
        {"type": "text", "text": question},
    ]
    message = {"role": "user", "content": parts}
    return json.dumps({"model": limits.model, "messages": [message]}).encode()


def shown(group: Group, call_tags: tuple[str, str]) -> dict[str, Any]:
    """What the page shows of a group of one trajectory."""
    (trajectory,) = group.trajectories
    return {
        "answer": answer_line(trajectory),
        "second_look": second_look_line(trajectory, call_tags),
        "tokens": tokens_line(group),
        "looks": [_look(image) for image in trajectory.images],
        "turns": [turn.text for turn in trajectory.turns],
    }


def _look(image: Image.Image) -> dict[str, Any]:
    out = io.BytesIO()
    image.save(out, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    return {"url": url, "width": image.width, "height": image.height}
