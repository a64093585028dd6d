"""The exit code where a signal ends a run outside of training."""

import sys
from collections.abc import Callable

import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from visionthink_pl.commands.trainer.signals import shell_code


def interrupted() -> int:
    raise KeyboardInterrupt


def interrupted_in_lightning() -> int:
    try:
        return interrupted()
    except KeyboardInterrupt:
        sys.exit(1)


def terminated() -> int:
    raise SIGTERMException


@pytest.mark.parametrize(
    ("run", "code"), [(interrupted, 130), (interrupted_in_lightning, 130), (terminated, 143)]
)
def test_it_is_a_shell_s(
    run: Callable[[], int], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell_code(run) == code
    said = capsys.readouterr().err
    assert said.startswith("error: stopped by ") and "--ckpt_path last" in said


def test_other_ends_are_left_alone() -> None:
    assert shell_code(lambda: 2) == 2
    with pytest.raises(SystemExit) as ended:
        shell_code(lambda: sys.exit(3))
    assert ended.value.code == 3
