"""``python -m visionthink_pl prepare --config X.yaml``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields

from datasets import disable_progress_bars
from jsonargparse import ArgumentError, ArgumentParser, Namespace
from rich.console import Console

from visionthink_pl.commands.ending import exit_code
from visionthink_pl.commands.parsing.early import load_named
from visionthink_pl.commands.parsing.error_messages import config_error, explain, with_key
from visionthink_pl.commands.parsing.verbs import OTHERS, PROGRAM
from visionthink_pl.commands.prepare.run import prepare
from visionthink_pl.commands.prepare.settings import Settings
from visionthink_pl.types import ConfigError

# Checks shared with training name a setting as training does.
KEYS_IN_TRAINING = {"model.": "policy.", "rollout.": ""}
STOPPED_BY_USER = 130  # the exit code of a shell command that was interrupted


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process by default); return the exit code."""
    try:
        return exit_code(lambda: run(args))
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here")
        return STOPPED_BY_USER


def run(args: Sequence[str] | None) -> None:
    """Parse, build, prepare.

    Raises:
        ConfigError: something in the config can't work.
        RunStopped: too little could be scored.
    """
    given = sys.argv[2:] if args is None else list(args)
    load_named(["prepare", *given])
    parser = build_parser()
    config = parse(parser, given)
    disable_progress_bars()  # those of the library, which writes at the end
    try:
        prepare(build(parser, config), config.as_dict(), Console())
    except ConfigError as error:
        raise ConfigError(_our_key(str(error))) from error


def build_parser() -> ArgumentParser:
    """The options: those of ``Settings``."""
    parser = ArgumentParser(
        prog=f"{PROGRAM} prepare",
        description=OTHERS["prepare"],
        parser_mode="omegaconf",
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", help="YAML file with the options below.")
    parser.add_class_arguments(Settings)
    return parser


def parse(parser: ArgumentParser, args: Sequence[str] | None) -> Namespace:
    """Parse; a mistake becomes one line.

    Raises:
        ConfigError: with that line.
    """
    try:
        return parser.parse_args(None if args is None else list(args))
    except ArgumentError as error:
        keys = list(parser.get_defaults(skip_validation=True).keys())
        raise ConfigError(explain(str(error), keys)) from error


def build(parser: ArgumentParser, config: Namespace) -> Settings:
    """Build all classes; where one refuses its options, say where in the config it stands.

    Raises:
        ConfigError: one does.
    """
    try:
        built = parser.instantiate(config)
        return Settings(**{field.name: built[field.name] for field in fields(Settings)})
    except ValueError as error:
        mistake = config_error(error)
        if mistake is None:
            raise
        raise ConfigError(with_key(str(mistake), config.as_dict())) from error


def _our_key(message: str) -> str:
    for theirs, ours in KEYS_IN_TRAINING.items():
        if message.startswith(theirs):
            return ours + message.removeprefix(theirs)
    return message
