"""``python -m visionthink_pl export --ckpt X --out DIR [--merge]``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields

from jsonargparse import ArgumentError, ArgumentParser
from rich.console import Console

from visionthink_pl.commands.ending import exit_code
from visionthink_pl.commands.export.writing import Options, export
from visionthink_pl.commands.parsing.early import load_named
from visionthink_pl.commands.parsing.error_messages import explain
from visionthink_pl.commands.parsing.verbs import OTHERS, PROGRAM
from visionthink_pl.types import ConfigError


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process by default); return the exit code."""
    return exit_code(lambda: export(parse(args), Console()))


def build_parser() -> ArgumentParser:
    """The options: those of ``Options``; ``--merge`` takes no value."""
    parser = ArgumentParser(
        prog=f"{PROGRAM} export",
        description=OTHERS["export"],
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_class_arguments(Options, skip={"merge"})
    parser.add_argument(
        "--merge", action="store_true", help="Write whole weights in place of an adapter."
    )
    return parser


def parse(args: Sequence[str] | None) -> Options:
    """Parse; a mistake becomes one line.

    Raises:
        ConfigError: with that line.
    """
    given = sys.argv[2:] if args is None else list(args)
    load_named(["export", *given])
    parser, names = build_parser(), [field.name for field in fields(Options)]
    try:
        parsed = parser.parse_args(given)
    except ArgumentError as error:
        raise ConfigError(explain(str(error), names)) from error
    return Options(**{name: parsed[name] for name in names})
