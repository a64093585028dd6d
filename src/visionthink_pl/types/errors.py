"""How a run ends before its time; each message is written for the person who reads it."""

from __future__ import annotations

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)  # numbers of an ``OSError`` where there is no room


class ConfigError(ValueError):
    """A setting that can't work: the message names the key and says what would be right."""


class OutOfMemory(RuntimeError):
    """Memory ran out: the message says in which phase, with what sizes, and what to change."""


class DiskFull(RuntimeError):
    """A file could not be written: the message names it. What was there before stays."""


class PolicyLost(RuntimeError):
    """The policy's weights are no longer finite. They are not saved: the last checkpoint stays."""


class RunStopped(RuntimeError):
    """A run that can't go on for reasons outside of it: a checkpoint is written, then it ends.

    Args:
        message: why.
        exit_code: that the process ends with; 128 and a signal's number where one stopped it.
        by_all: whether all processes of the run raise it, so that one of them may say so for all.
    """

    def __init__(self, message: str, exit_code: int = 1, by_all: bool = False) -> None:
        super().__init__(message)
        self.exit_code, self.by_all = exit_code, by_all
