"""Values of options, looked at one by one: whether their type and limits allow them."""

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
    """Values in the order in which they are given. One of another type is refused at once, by the
    parser too; one out of its limits only where nothing behind it takes its place."""

    def __init__(self) -> None:
        self._wrong: dict[str, str] = {}  # by key

    def add(self, key: str, kind: Any, value: Any, from_line: bool) -> None:
        """Look at a value, in place of what was ``replaced``.

        Raises:
            ConfigError: it is of another type.
        """
        if wrong := complaint(_parsed(key, without_limits(kind), value, from_line), kind):
            self._wrong[key] = wrong

    def replaced(self, key: str) -> None:
        """Forget what stood under a key: something else stands there now."""
        self._wrong = {at: wrong for at, wrong in self._wrong.items() if not _under(at, key)}

    @contextmanager
    def of_element(self, key: str, index: int) -> Iterator[None]:
        """Values that are added meanwhile belong to one element of a list; it is named as it is
        for an error of its constructor."""
        before, self._wrong = self._wrong, {}
        yield
        added = {f"{key}[{index}]{at[len(key) :]}": wrong for at, wrong in self._wrong.items()}
        self._wrong = before | added

    def refuse(self) -> None:
        """Raise if one is out of its limits.

        Raises:
            ConfigError: the first that is.
        """
        for key, wrong in self._wrong.items():
            raise ConfigError(f"--{key}: {wrong}" if "-" in key else f"{key}: {wrong}")  # plan's


def _under(at: str, key: str) -> bool:
    """Whether ``key`` is ``at``, or above it; without an index it means every element."""
    at = at if "[" in key else INDEX.sub("", at)
    return at == key or at.startswith(f"{key}.")


def _parsed(key: str, kind: Any, value: Any, from_line: bool) -> Any:
    """A value as the parser that comes later makes it; of another type it is refused in the words
    of that parser."""
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
