"""Two processes that a signal stops, and a row that only one of them can't read."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from full_length import only_in_full
from judge_server import judge_server
from kill_runs import Run, events_of, verdict
from trainer_helpers import write_image_folder

pytestmark = [pytest.mark.long, pytest.mark.integration]

BATCHES, UPDATES, MINUTE = 5, 2, 60.0
TWO = ("--trainer.devices=2", "--trainer.strategy=ddp")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with judge_server(verdict) as server:
        yield Run(tmp_path / "run", server.url, BATCHES, UPDATES)


def samples(run: Run) -> dict[int, list[str]]:
    """The prompts of each batch, of all ranks."""
    found: dict[int, list[str]] = {}
    for rank in range(len([*run.folder.glob("events-*")])):
        for event in events_of(run.folder, rank):
            if "draw" in event:
                found[event["draw"]] = sorted(found.get(event["draw"], []) + event["samples"])
    return found


def ended(run: Run, process: subprocess.Popen[str]) -> int:
    """The exit code of a run that has to end within a minute, and leaves no process behind."""
    code = process.wait(MINUTE)
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.killpg(process.pid, 0)
            time.sleep(0.1)
    return code


def errors(run: Run) -> list[str]:
    return [line for line in run.said().splitlines() if "rror:" in line]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[str]]:
    """What one process that nothing stops trains on."""
    with judge_server(verdict) as server:
        run = Run(tmp_path_factory.mktemp("whole") / "run", server.url, BATCHES, UPDATES)
        run.finish()
        return samples(run)


@pytest.mark.parametrize(
    ("number", "send", "phase", "name"),
    [
        (signal.SIGTERM, os.kill, "stepped", "SIGTERM"),  # to the first process alone
        # To both, as a terminal does.
        pytest.param(signal.SIGINT, os.killpg, "rollout", "Ctrl-C", marks=only_in_full),
    ],
    ids=["SIGTERM", "Ctrl-C"],
)
def test_both_stop_and_one_process_goes_on(
    run: Run,
    whole: dict[int, list[str]],
    number: signal.Signals,
    send: Callable[[int, int], None],
    phase: str,
    name: str,
) -> None:
    process = run.start(*TWO)
    run.wait_for("update", process)
    run.wait_for(phase, process)
    send(process.pid, number)
    assert ended(run, process) == 128 + number, run.said()
    assert errors(run) == [f"error: rank 0: stopped by {name}"]
    assert len([*run.folder.rglob("stopped.ckpt")]) == 1
    run.finish()
    assert samples(run) == whole


def test_an_image_that_vanishes_stops_both(run: Run) -> None:
    images = run.folder / "images"
    write_image_folder(images, "train", 4 * BATCHES)
    source = "{class_path: visionthink_pl.data.ImageFolder, init_args: {folder: images}}"
    process = run.start(*TWO, f"--data.train={source}", "--data.shuffle=false")
    run.wait_for("update", process)
    (images / f"{4 * BATCHES - 1}.png").unlink()  # of the last batch, which one of them draws
    assert ended(run, process) == 1, run.said()
    (error,) = errors(run)
    assert "data.max_bad_rows" in error
    assert len([*run.folder.rglob("stopped.ckpt")]) == 1


def children(process: subprocess.Popen[str]) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


@pytest.mark.parametrize("rank", [pytest.param(0, marks=only_in_full), 1])
def test_a_process_that_hangs_ends_the_other(run: Run, rank: int) -> None:
    process = run.start(*TWO)
    run.wait_for("update", process)
    run.wait_for("rollout", process)
    (child,) = children(process)
    hangs, other = (process.pid, child) if rank == 0 else (child, process.pid)
    os.kill(hangs, signal.SIGSTOP)
    hung = time.monotonic()
    try:
        while not over(other):
            assert time.monotonic() - hung < MINUTE, run.said()
            time.sleep(0.1)
        assert rank == 0 or ended(run, process) == 1  # and has ended the one that hangs
    finally:
        if rank == 0:
            os.killpg(process.pid, signal.SIGKILL)
    assert errors(run) == [
        f"error: process {rank} has not answered for 40 s, and the run ends; --ckpt_path last goes "
        "on from the last checkpoint"
    ]
    assert [*run.folder.rglob("checkpoints/*.ckpt")]


def over(process: int) -> bool:
    """Whether it has ended, also where its parent has not asked how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True
