"""Two runs on one folder are kept apart, and a killed one leaves it free."""

import subprocess
import sys
from pathlib import Path

import pytest

from visionthink_pl.commands.prepare.in_use import alone_in
from visionthink_pl.types import ConfigError

STAYS = """
import sys, time
from pathlib import Path
from visionthink_pl.commands.prepare.in_use import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    command = [sys.executable, "-c", STAYS, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "in\n"
        with (
            pytest.raises(ConfigError, match="out: another prepare is at work in"),
            alone_in(folder),
        ):
            pytest.fail("both are in it")
        with alone_in(tmp_path / "other"):
            pass
        first.kill()
        first.wait()
        for _ in range(2):
            with alone_in(folder):
                pass


def test_what_fails_within_it_leaves_it_free(tmp_path: Path) -> None:
    with pytest.raises(KeyError), alone_in(tmp_path):
        raise KeyError
    with alone_in(tmp_path):
        pass


def test_a_file_in_the_folder_s_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ConfigError, match="out: can't write to"), alone_in(tmp_path / "out"):
        pass
