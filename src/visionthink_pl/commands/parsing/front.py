"""Help, version and refusals, printed before torch and Lightning are imported."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from visionthink_pl import __version__
from visionthink_pl.commands.parsing.class_help import class_help
from visionthink_pl.commands.parsing.early import asks, check
from visionthink_pl.commands.parsing.error_messages import no_such_verb
from visionthink_pl.commands.parsing.help_text import print_help
from visionthink_pl.commands.parsing.verbs import PROGRAM, VERBS
from visionthink_pl.types import ConfigError

HELP = ("-h", "--help")


def answered(args: Sequence[str]) -> bool:
    """Handle help, version and refusals; return whether nothing is left to run.

    Raises:
        ConfigError: there is no such verb, or its arguments are certainly wrong.
    """
    first, *rest = args or [""]
    if first in HELP:
        program().print_help()
    elif first == "--version":
        print(f"{PROGRAM} {__version__}")
    elif first in VERBS and rest and set(rest) <= set(HELP):
        print_help(first)
    elif first in VERBS and (said := class_help(first, rest)):
        print(said)
    else:
        _refuse(first, rest)
        return False
    return True


def program() -> argparse.ArgumentParser:
    """The top-level parser, for its help: one line a verb."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Teach a vision-language model when to look closer.",
        epilog=f"Options of a verb: {PROGRAM} VERB --help.",
    )
    parser.add_argument("--version", action="store_true", help="Say which version this is.")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    for name, words in VERBS.items():
        verbs.add_parser(name, help=words)
    return parser


def _refuse(first: str, rest: Sequence[str]) -> None:
    if first in VERBS and not asks(rest):
        check(first, rest)
    elif first not in VERBS and not first.startswith("-"):
        raise ConfigError(no_such_verb(first, list(VERBS)))
