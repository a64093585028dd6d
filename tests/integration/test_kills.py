"""Runs that signals end at random moments, and that go on as if nothing had ended them."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from judge_server import judge_server
from kill_runs import NEVER_S, Run, chain, check, events_of, verdict

BATCHES, UPDATES = 5, 4
ENDS = [  # ``kill_runs.py`` by itself ends runs 31 times by each signal
    (signal.SIGTERM, "update"),
    (signal.SIGKILL, "writing"),
    (signal.SIGINT, "stepped"),
    (signal.SIGTERM, "validation"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a run did that nothing has ended."""
    with judge_server(verdict) as server:
        run = Run(tmp_path_factory.mktemp("whole") / "run", server.url, BATCHES, UPDATES)
        run.finish()
        return events_of(run.folder)


@pytest.mark.long
@pytest.mark.integration
def test_what_goes_on_is_equal_to_the_bit(whole: list[dict[str, Any]], tmp_path: Path) -> None:
    with judge_server(verdict) as server:
        run = Run(tmp_path / "run", server.url, BATCHES, UPDATES)
        assert sum(chain(run, ENDS).values()) == len(ENDS)
        check(events_of(run.folder), whole)


SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}


@pytest.mark.long
@pytest.mark.integration
def test_at_slurm_s_signal_the_job_is_queued_again_and_goes_on(
    whole: list[dict[str, Any]], tmp_path: Path
) -> None:
    scontrol = tmp_path / "scontrol"
    scontrol.write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/asked"\n')
    scontrol.chmod(0o755)
    variables = SLURM | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    with judge_server(verdict) as server:
        run = Run(tmp_path / "job", server.url, BATCHES, UPDATES)
        process = run.start(**variables)
        run.wait_for("stepped", process)  # within an update: some of its steps are taken
        process.send_signal(signal.SIGUSR1)
        assert process.wait(NEVER_S) == 128 + signal.SIGUSR1, run.said()
        assert (tmp_path / "asked").read_text() == "requeue 7\n"
        (run.folder / "hpc_ckpt_1.ckpt").stat()
        for file in run.folder.rglob("checkpoints/*.ckpt"):
            file.unlink()  # Lightning finds its own
        assert run.start(**variables).wait(NEVER_S) == 0, run.said()
    check(events_of(run.folder), whole)


def test_negative_control_a_batch_that_differs_is_found() -> None:
    batch = {"draw": 0, "ids": "a"}
    assert check([batch, batch], [batch]) == 1
    with pytest.raises(AssertionError):
        check([batch | {"ids": "b"}], [batch])
    with pytest.raises(AssertionError):
        check([], [batch])
