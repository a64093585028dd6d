"""Verbs that are not the Trainer's: ``python -m visionthink_pl VERB``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from visionthink_pl.commands.export.cli import main as export
from visionthink_pl.commands.plan.cli import main as plan
from visionthink_pl.commands.prepare.cli import main as prepare

COMMANDS: dict[str, Callable[[Sequence[str] | None], int]] = {
    "prepare": prepare,
    "plan": plan,
    "export": export,
}

__all__ = ["COMMANDS"]
