"""The process of the mathematical rule: from any thread, within its time, once and for all."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from visionthink_pl.rewards.rules import math_process
from visionthink_pl.rewards.rules.math_process import MathProcess

HANG = "9^{9^{9^{9}}}"  # its own timeouts end it after two seconds

# Without a guard around the main part: with multiprocessing it would run twice.
SCRIPT = """
import threading
from visionthink_pl.rewards.accuracy import matches
print("once")
said = []
thread = threading.Thread(target=lambda: said.append(matches("1/2", "0.5")))
thread.start(); thread.join()
print(said)
"""


@pytest.fixture
def process() -> Iterator[MathProcess]:
    process = MathProcess()
    yield process
    process.stop()


def in_a_thread(process: MathProcess, answer: str, truth: str) -> bool:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(process.equal, answer, truth).result()


def test_one_child_serves_all_threads(process: MathProcess) -> None:
    assert in_a_thread(process, "1/2", "0.5")
    child = process._child
    with ThreadPoolExecutor(8) as pool:
        verdicts = pool.map(lambda i: process.equal(f"{i}/2", f"{i % 2 * 0.5 + i // 2}"), range(40))
    assert all(verdicts)
    assert not in_a_thread(process, "1/2", "0.6")
    assert process._child is child


def test_a_hang_ends_by_the_timeout_of_the_library(process: MathProcess) -> None:
    assert process.equal("1/2", "0.5")
    child = process._child
    assert not in_a_thread(process, HANG, "7")
    assert in_a_thread(process, "1/2", "0.5")
    assert process._child is child


def test_a_hang_beyond_the_limit_ends_with_its_child(process: MathProcess) -> None:
    assert process.equal("1/2", "0.5")  # started: what follows is not the time of the import
    child = process._child
    process.limit_s = 0.5
    start = time.monotonic()
    assert not in_a_thread(process, HANG, "7")
    assert time.monotonic() - start < 1.9
    process.limit_s = 5.0
    assert in_a_thread(process, "1/2", "0.5")
    assert process._child is not child


def test_a_child_that_died_is_replaced(process: MathProcess) -> None:
    assert process.equal("1/2", "0.5")
    assert process._child is not None
    process._child.kill()
    process._child.wait()
    assert process.equal("1/2", "0.5")


def test_an_interrupt_does_not_leave_its_reply_to_the_next_pair(
    process: MathProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert process.equal("1/2", "0.5")
    child = process._child
    assert child is not None

    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(child.stdout, "readline", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.equal("1/2", "0.5")
    assert not process.equal("1/2", "0.6")


def test_what_cannot_start_says_so(
    process: MathProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "worker.py"
    broken.write_text("raise ImportError('no math-verify here')")
    monkeypatch.setattr(math_process, "WORKER", broken)
    with pytest.raises(RuntimeError, match="could not be started"):
        process.equal("1/2", "0.5")


def test_stop_lets_go_of_the_child(process: MathProcess) -> None:
    process.stop()  # before there is one
    assert process.equal("1/2", "0.5")
    child = process._child
    assert child is not None
    process.stop()
    assert child.poll() is not None


def test_a_script_without_a_main_guard_runs_once_and_ends(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.split("\n") == ["once", "[True]", ""]
