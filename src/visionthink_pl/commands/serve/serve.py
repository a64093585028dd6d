"""``python -m visionthink_pl serve --model DIR``."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import uvicorn
from annotated_types import Ge, Le
from fastapi import FastAPI
from jsonargparse import ArgumentParser
from PIL import Image

from visionthink_pl.commands.answering.answerer import Answerer
from visionthink_pl.commands.answering.model_options import ModelOptions, in_full
from visionthink_pl.commands.serve.chat_answers import ChatAnswers
from visionthink_pl.commands.serve.chat_app import chat_app
from visionthink_pl.commands.serve.chat_request import RequestLimits
from visionthink_pl.commands.serve.page import add_page
from visionthink_pl.commands.serve.waiting import Waiting
from visionthink_pl.commands.verb import built, checked, exit_code, new_parser, parsed
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import PositiveInt, check_fields

MEGABYTE = 10**6
GRACE_S = 5  # for requests under way when the server is stopped


@dataclass(frozen=True)
class ServeOptions:
    """Serve a policy behind an OpenAI-compatible endpoint.

    Args:
        model: the policy that answers.
        name: of the model in requests; by default the last part of its path.
        host: address to listen at; the default is this machine alone.
        port: to listen at; 0 is any that is free.
        allow_urls: fetch images that requests name by http or https.
        max_megabytes: that a request may have, images included.
        max_images: of a request.
        rows: requests answered together.
        max_waiting: requests that may wait; more are refused.
    """

    model: ModelOptions = ModelOptions()  # noqa: RUF009 (frozen)
    name: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Ge(0), Le(65535)] = 8000
    allow_urls: bool = False
    max_megabytes: PositiveInt = 16
    max_images: PositiveInt = 8
    rows: PositiveInt = 16
    max_waiting: PositiveInt = 32

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def served(self) -> str:
        """The model's name in requests."""
        return self.name or Path(self.model.ckpt).resolve().name


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process by default); return the exit code."""
    try:
        return exit_code(lambda: serve(parse(args)))
    except KeyboardInterrupt:
        print("stopped")
        return 0


def parse(args: Sequence[str] | None) -> ServeOptions:
    """Parse the command line.

    Raises:
        ConfigError: it can't be parsed.
    """
    given, parser = in_full(checked("serve", args)), new_parser("serve", ArgumentParser)
    parser.add_class_arguments(ServeOptions, skip={"allow_urls"})
    parser.add_argument("--allow_urls", "--allow-urls", action="store_true", help="Fetch images.")
    config = parsed(parser, given)
    model = built(lambda: parser.instantiate(config).model, config.as_dict())
    return ServeOptions(**config.as_dict() | {"model": model})


def serve(options: ServeOptions) -> None:
    """Load the policy, and answer until the process is stopped.

    Raises:
        ConfigError: there is no such model, or the address can't be listened at.
    """
    listening = _listen(options)
    app = application(options)
    host, port = listening.getsockname()[:2]
    print(f"{options.served} at http://{host}:{port}/v1; a page to ask at http://{host}:{port}/")
    sys.stdout.flush()
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE_S)
    uvicorn.Server(config).run(sockets=[listening])


def application(options: ServeOptions) -> FastAPI:
    """Load the policy; the application that answers with it."""
    run = options.model.find()
    answerer = Answerer(options.model, run, temperature=1.0, rows=options.rows, seed=0)
    pixels = Image.MAX_IMAGE_PIXELS or 0
    limits = RequestLimits(
        options.served,
        run.options.max_new_tokens,
        options.max_images,
        pixels,
        options.max_megabytes * MEGABYTE,
        options.allow_urls,
    )
    answers = ChatAnswers(answerer, run)
    waiting = Waiting(answers, options.rows, pixels, options.max_waiting)
    app = chat_app(waiting, limits, limits.max_bytes)
    add_page(app, waiting, limits, limits.max_bytes, run.family.call_tags)
    return app


def _listen(options: ServeOptions) -> socket.socket:
    """Listen before the weights are loaded, so that a failure costs no time."""
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        return socket.create_server((options.host, options.port), family=family)
    except OSError as error:
        raise ConfigError(
            f"host, port: can't listen at {options.host}:{options.port}: {error.strerror}; name "
            "another --port"
        ) from error
