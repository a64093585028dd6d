"""Checks values of options against their types and limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from visionthink_pl.commands.parsing.error_messages import explain
from visionthink_pl.commands.parsing.plain_types import without_limits
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import complaint

INDEX = re.compile(r"\[\d+\]")


class Values:
    """Checks values in the order given. A value of the wrong type raises at once, as it does in the
    parser; one out of its limits raises in ``refuse``, unless a later value overrides it."""

    def __init__(self) -> None:
        self._wrong: dict[str, str] = {}  # complaints by key

    def add(self, key: str, kind: Any, value: Any, from_line: bool) -> None:
        """Check one value; ``replaced`` is called first where it overrides another.

        Raises:
            ConfigError: it has the wrong type.
        """
        if wrong := complaint(_parsed(key, without_limits(kind), value, from_line), kind):
            self._wrong[key] = wrong

    def replaced(self, key: str) -> None:
        """Forget complaints about a key and those below it: the value is overridden."""
        self._wrong = {at: wrong for at, wrong in self._wrong.items() if not _under(at, key)}

    @contextmanager
    def of_element(self, key: str, index: int) -> Iterator[None]:
        """Within this context, put ``[index]`` behind ``key`` in complaints: values belong to one
        element of a list."""
        before, self._wrong = self._wrong, {}
        yield
        added = {f"{key}[{index}]{at[len(key) :]}": wrong for at, wrong in self._wrong.items()}
        self._wrong = before | added

    def refuse(self) -> None:
        """Raise for the first value that is out of its limits.

        Raises:
            ConfigError: there is one.
        """
        for key, wrong in self._wrong.items():
            raise ConfigError(f"--{key}: {wrong}" if "-" in key else f"{key}: {wrong}")  # plan's


def _under(at: str, key: str) -> bool:
    """Whether ``at`` is ``key`` or below it; a key without an index covers every element."""
    at = at if "[" in key else INDEX.sub("", at)
    return at == key or at.startswith(f"{key}.")


def _parsed(key: str, kind: Any, value: Any, from_line: bool) -> Any:
    """The value as jsonargparse converts it.

    Raises:
        ConfigError: it has the wrong type; worded as in the full parse.
    """
    parser = ArgumentParser(parser_mode="omegaconf", exit_on_error=False)
    action = parser.add_argument(f"--{key}", type=kind)
    try:
        if from_line:
            return parser.parse_args([f"--{key}={value}"])[action.dest]
        config: Any = value
        for part in reversed(key.split(".")):
            config = {part: config}
        return parser.parse_object(config)[action.dest]
    except ArgumentError as error:
        raise ConfigError(explain(str(error), [key])) from error
