"""``python -m visionthink_pl ask --model DIR IMAGE ... "question"``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from visionthink_pl.callbacks.trajectory_record import record
from visionthink_pl.commands.answering.answerer import Answerer
from visionthink_pl.commands.answering.looks import (
    answer_line,
    printable_line,
    second_look_line,
    tokens_line,
)
from visionthink_pl.commands.answering.model_options import ModelOptions, in_full
from visionthink_pl.commands.ask.asked_images import asked, asked_files
from visionthink_pl.commands.verb import built, checked, exit_code, new_parser, parsed
from visionthink_pl.families import Family
from visionthink_pl.types import ConfigError, Group, RunStopped, UnreadableSample, VQASample

AT_ONCE = 16  # images in memory and answered together


@dataclass(frozen=True)
class AskOptions:
    """Ask a policy one question about images, each on its own.

    Args:
        images: files, or folders of images.
        question: about each image.
        model: the policy that answers.
        json: print one JSON object an image.
    """

    images: tuple[str, ...]
    question: str
    model: ModelOptions = ModelOptions()  # noqa: RUF009 (frozen)
    json: bool = False

    def __post_init__(self) -> None:
        if not self.question.strip():
            raise ConfigError("question: is empty")


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process by default); return the exit code."""
    return exit_code(lambda: ask(parse(args)))


def parse(args: Sequence[str] | None) -> AskOptions:
    """Parse the command line.

    Raises:
        ConfigError: it can't be parsed.
    """
    given, parser = in_full(checked("ask", args)), new_parser("ask", ArgumentParser)
    parser.add_argument("images", nargs="+", help="Image files, or folders of images.")
    parser.add_argument("question", help="The question about each image.")
    parser.add_class_arguments(AskOptions, skip={"images", "question", "json"})
    parser.add_argument("--json", action="store_true", help="Print one JSON object an image.")
    config = parsed(parser, given)
    model = built(lambda: parser.instantiate(config).model, config.as_dict())
    return AskOptions(tuple(config.images), config.question, model, config.json)


def ask(options: AskOptions) -> None:
    """Answer about each image, and print it.

    Raises:
        ConfigError: there is no such image or model.
        RunStopped: an image could not be read; the others were answered.
    """
    files = asked_files(options.images)
    run = options.model.find()
    answerer = Answerer(options.model, run, temperature=1.0, rows=AT_ONCE, seed=0)
    unread = 0
    for start in range(0, len(files), AT_ONCE):
        samples = [asked(file, options.question) for file in files[start : start + AT_ONCE]]
        readable = [sample for sample in samples if isinstance(sample, VQASample)]
        groups = iter(answerer(readable, run.options))
        rows = [s if isinstance(s, UnreadableSample) else next(groups) for s in samples]
        for line in _lines(rows, run.family, options.json):
            print(line)
        unread += len(samples) - len(readable)
    if unread:
        raise RunStopped(f"{unread} of {len(files)} images could not be read")


def _lines(
    rows: Sequence[Group | UnreadableSample], family: Family, as_json: bool
) -> Iterator[str]:
    pieces = lru_cache(lambda token: family.decode([token]))
    for row in rows:
        if as_json:
            yield json.dumps(_json(row, pieces))
        elif isinstance(row, UnreadableSample):
            print(f"{row.id}: {row.reason}", file=sys.stderr)
        else:
            yield from _text(row, family)


def _json(row: Group | UnreadableSample, pieces: Any) -> dict[str, Any]:
    """The record of docs/trajectories.md, the image's file in place of its copy."""
    if isinstance(row, UnreadableSample):
        return {"sample": row.id, "unreadable": row.reason}
    return record(row, 0, [row.sample.id] * len(row.trajectories[0].images), pieces)


def _text(group: Group, family: Family) -> Iterator[str]:
    (trajectory,) = group.trajectories
    yield printable_line(str(Path(group.sample.id)))
    yield f"  answer: {answer_line(trajectory)}"
    yield f"  second look: {second_look_line(trajectory, family.call_tags)}"
    yield f"  visual tokens: {tokens_line(group)}"
