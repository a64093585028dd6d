"""``python -m visionthink_pl prepare --config X.yaml``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from datasets import disable_progress_bars
from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from visionthink_pl.commands.prepare.run import prepare
from visionthink_pl.commands.prepare.settings import Settings
from visionthink_pl.commands.verb import built, checked, exit_code, new_parser, parsed
from visionthink_pl.types import ConfigError

# Checks shared with training use training's keys in errors.
KEYS_IN_TRAINING = {"model.": "policy.", "rollout.": ""}
STOPPED_BY_USER = 130  # the exit code of a shell command that was interrupted


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process by default); return the exit code."""
    try:
        return exit_code(lambda: run(args))
    except KeyboardInterrupt:
        print("stopped; the same command resumes from here")
        return STOPPED_BY_USER


def run(args: Sequence[str] | None) -> None:
    """Parse, build, prepare.

    Raises:
        ConfigError: something in the config can't work.
        RunStopped: too few rollouts could be scored, or no sample was kept.
    """
    given, parser = checked("prepare", args), build_parser()
    config = parsed(parser, given)
    disable_progress_bars()  # of ``datasets``, when it writes at the end
    try:
        prepare(build(parser, config), config.as_dict(), Console())
    except ConfigError as error:
        raise ConfigError(_our_key(str(error))) from error


def build_parser() -> ArgumentParser:
    """The options: those of ``Settings``."""
    parser = new_parser("prepare", ArgumentParser)
    parser.add_argument("--config", action="config", help="YAML file with the options below.")
    parser.add_class_arguments(Settings)
    return parser


def build(parser: ArgumentParser, config: Namespace) -> Settings:
    """Build the settings, and all classes that they name.

    Raises:
        ConfigError: a class refuses its options; the message gives their key in the config.
    """

    def settings() -> Settings:
        objects = parser.instantiate(config)
        return Settings(**{field.name: objects[field.name] for field in fields(Settings)})

    return built(settings, config.as_dict())


def _our_key(message: str) -> str:
    for theirs, ours in KEYS_IN_TRAINING.items():
        if message.startswith(theirs):
            return ours + message.removeprefix(theirs)
    return message
