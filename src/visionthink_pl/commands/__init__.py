"""Verbs that are not the Trainer's: ``python -m visionthink_pl VERB``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from visionthink_pl.command_line.verbs import OTHERS


def _late(verb: str) -> Callable[[Sequence[str] | None], int]:
    """A verb's command line, loaded when it is called."""

    def main(args: Sequence[str] | None = None) -> int:
        return int(import_module(f"{__name__}.{verb}.cli").main(args))

    return main


COMMANDS = {verb: _late(verb) for verb in OTHERS}

__all__ = ["COMMANDS"]
