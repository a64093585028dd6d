"""The process of the mathematical rule: from any thread, within its time, once and for all.

No test here has a limit by the clock: a busy machine makes none of them fail.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from visionthink_pl.rewards.rules import math_process
from visionthink_pl.rewards.rules.math_process import MathProcess, Undecided

HANG = "9^{9^{9^{9}}}"

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


@pytest.fixture(scope="module")
def shared() -> Iterator[MathProcess]:
    process = MathProcess()
    yield process
    process.stop()


@pytest.fixture
def process(shared: MathProcess) -> Iterator[MathProcess]:
    """Its child is that of the test before, which may have ended it."""
    limit_s = shared.limit_s
    yield shared
    shared.limit_s = limit_s


@pytest.fixture
def new() -> Iterator[MathProcess]:
    """One without a child yet."""
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


def test_a_pair_that_takes_for_ever_is_undecided(process: MathProcess) -> None:
    assert process.equal("1/2", "0.5")
    child, process.limit_s = process._child, 0.5
    for _ in range(2):  # the next pair comes at once, and meets no child that is just ending
        with pytest.raises(Undecided, match="no verdict within 0.5 s of processor time"):
            in_a_thread(process, HANG, "7")
        assert in_a_thread(process, "1/2", "0.5")
    assert process._child is not child


def test_the_first_pair_takes_no_longer_than_others(new: MathProcess) -> None:
    """What it takes once, more than twice this limit, has been spent before the child is ready."""
    new.limit_s = 0.3
    assert new.equal("(x+1)(x-1)", "x^2-1")


def test_each_pair_has_the_whole_limit(process: MathProcess) -> None:
    """All of them together take longer."""
    process.limit_s = 0.4
    assert all(process.equal(f"(x+{i})(x-{i})", f"x^2-{i * i}") for i in range(60))


def test_time_that_others_take_does_not_count(process: MathProcess) -> None:
    """The child gets a tenth of the time, and so takes longer than the limit by the clock."""
    assert process.equal("1/2", "0.5")
    assert process._child is not None
    pid, process.limit_s = process._child.pid, 1.0
    with ThreadPoolExecutor(1) as pool:
        verdict = pool.submit(process.equal, r"\sin(x)^4-\cos(x)^4", r"-\cos(2x)")
        while not verdict.done():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.3)
            os.kill(pid, signal.SIGCONT)
            wait([verdict], timeout=0.03)
        assert verdict.result()


def test_a_child_that_stands_still_for_good_is_undecided(
    process: MathProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert process.equal("1/2", "0.5")
    assert process._child is not None
    os.kill(process._child.pid, signal.SIGSTOP)
    with monkeypatch.context() as patch, pytest.raises(Undecided):
        patch.setattr(math_process, "STUCK_S", 0.2)
        process.equal("1/2", "0.5")
    assert process.equal("1/2", "0.5")


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
    new: MathProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "worker.py"
    broken.write_text("raise ImportError('no math-verify here')")
    monkeypatch.setattr(math_process, "WORKER", broken)
    with pytest.raises(RuntimeError, match="could not be started"):
        new.equal("1/2", "0.5")


def test_stop_lets_go_of_the_child(new: MathProcess) -> None:
    new.stop()  # before there is one
    assert new.equal("1/2", "0.5")
    child = new._child
    assert child is not None
    new.stop()
    assert child.poll() is not None


def test_a_script_without_a_main_guard_runs_once_and_ends(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["once", "[True]", ""]
