"""How a verb ends: exit code, and one line where a user can do something about it."""

from collections.abc import Callable

import pytest

from visionthink_pl.commands.verb import exit_code
from visionthink_pl.types import ConfigError, OutOfMemory, RunStopped


def raising(error: Exception, cause: Exception | None = None) -> Callable[[], None]:
    def run() -> None:
        raise error from cause

    return run


# What is raised, the exit code, and what is printed.
ENDS = [
    (raising(ConfigError("a.b: nothing\n  matches")), 2, "error: a.b: nothing matches\n"),
    (raising(ValueError("outer"), ConfigError("a.b: no")), 2, "error: a.b: no\n"),
    (raising(RunStopped("no\nverdicts")), 1, "error: no verdicts\n"),
    (raising(RunStopped("stopped by SIGTERM", 143)), 143, "error: stopped by SIGTERM\n"),
    (raising(OutOfMemory("lower rows")), 1, "error: lower rows\n"),
    (lambda: None, 0, ""),
]


@pytest.mark.parametrize(("run", "code", "printed"), ENDS)
def test_exit_codes(
    capsys: pytest.CaptureFixture[str], run: Callable[[], None], code: int, printed: str
) -> None:
    assert exit_code(run) == code
    assert capsys.readouterr().err == printed


@pytest.mark.parametrize("bug", [ValueError("a bug"), TypeError("another")])
def test_a_bug_keeps_its_traceback(bug: Exception) -> None:
    with pytest.raises(type(bug), match=str(bug)):
        exit_code(raising(bug))
