"""Steps that all verbs share: build a parser, parse, build classes, end with an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from visionthink_pl.commands.parsing.early import load_named
from visionthink_pl.commands.parsing.error_messages import config_error, explain, one_line, with_key
from visionthink_pl.commands.parsing.verbs import OTHERS, PROGRAM
from visionthink_pl.types import ConfigError, DiskFull, OutOfMemory, PolicyLost, RunStopped
from visionthink_pl.types.errors import FULL

PARSER_OPTIONS: Mapping[str, Any] = {
    "parser_mode": "omegaconf",
    "exit_on_error": False,
    "allow_abbrev": False,
}

Built = TypeVar("Built")
Parser = TypeVar("Parser", bound=ArgumentParser)


def new_parser(name: str, kind: type[Parser]) -> Parser:
    """A parser of class ``kind`` for the verb ``name``, without options yet."""
    return kind(prog=f"{PROGRAM} {name}", description=OTHERS[name], **PARSER_OPTIONS)


def checked(name: str, args: Sequence[str] | None) -> list[str]:
    """Check the arguments of a verb, and load the classes that they name.

    Args:
        name: of the verb.
        args: what follows it; ``None`` for the process's own.

    Raises:
        ConfigError: one of them is certainly wrong.
    """
    given = sys.argv[2:] if args is None else list(args)
    load_named([name, *given])
    return given


def parsed(parser: ArgumentParser, given: Sequence[str] | Mapping[str, Any]) -> Namespace:
    """Parse arguments, or the content of a config.

    Raises:
        ConfigError: the parser refuses them; in one line.
    """
    try:
        if isinstance(given, Mapping):
            return parser.parse_object(dict(given))
        return parser.parse_args(list(given))
    except ArgumentError as error:
        keys = list(parser.get_defaults(skip_validation=True).keys())
        raise ConfigError(explain(str(error), keys)) from error


def built(build: Callable[[], Built], config: Mapping[str, Any]) -> Built:
    """Call ``build``, which builds the classes that ``config`` names.

    Raises:
        ConfigError: a class refuses its options; the message gives their key in the config.
    """
    try:
        return build()
    except ValueError as error:
        mistake = config_error(error)
        if mistake is None:
            raise
        raise ConfigError(with_key(str(mistake), config)) from error


def exit_code(run: Callable[[], object]) -> int:
    """Call ``run``; return 0, 2 after a user's mistake, 1 where the run can't go on. An error is
    printed as one line; any other exception is a bug and keeps its traceback."""
    try:
        run()
    except RunStopped as error:
        return error.exit_code if error.by_all and _rank() else _fail(error, error.exit_code)
    except (PolicyLost, DiskFull, OutOfMemory) as error:
        return _fail(error, code=1)
    except OSError as error:
        if error.errno not in FULL:
            raise
        return _fail(
            DiskFull(f"no space left on the device for {error.filename or 'logs'}"), code=1
        )
    except ValueError as error:
        mistake = config_error(error)
        if mistake is None:
            raise
        return _fail(mistake, code=2)
    return 0


def _rank() -> int:
    """Of this process in a run that Lightning has started."""
    from lightning.fabric.utilities.rank_zero import rank_zero_only  # loaded by then

    return int(rank_zero_only.rank)  # type: ignore[attr-defined]  # Lightning sets it


def _fail(error: Exception, code: int) -> int:
    print(f"error: {one_line(str(error))}", file=sys.stderr)
    return code
