"""The judge against a real server with a real model behind it: ``transformers serve``."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiny_judge import RIGHT, UNKNOWN, WRONG
from visionthink_pl.rewards import APIJudge
from visionthink_pl.rewards.judge import JudgeFailure

START_S = 600  # the server imports a lot, and the machine may be busy


@pytest.fixture(scope="module")
def served(tiny_judge: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).parent / "transformers", "serve", str(tiny_judge)]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--reasoning", "off"]
    log = (tiny_judge.parent / "serve.log").open("w")
    process = subprocess.Popen(
        [*command, *options], stdout=log, stderr=log, env=os.environ | {"HF_HUB_OFFLINE": "1"}
    )
    try:
        wait_until_up(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def wait_until_up(url: str, process: subprocess.Popen) -> None:
    began = time.monotonic()
    while time.monotonic() - began < START_S:
        assert process.poll() is None, "the server has died"
        try:
            urllib.request.urlopen(url, timeout=30)
            return
        except urllib.error.HTTPError:
            return  # somebody answers
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"no server after {START_S} s")


@pytest.mark.long
@pytest.mark.integration
def test_verdicts_of_a_served_model(tiny_judge: Path, served: str) -> None:
    judge = APIJudge(
        str(tiny_judge),
        served,
        api_key_env=None,
        prompt=str(tiny_judge / "prompt.txt"),
        max_characters=100,
        max_concurrency=2,
        request={"temperature": 0, "max_tokens": 12},
        timeout=START_S,
        deadline=START_S,
    )
    right, wrong, unknown = (judge.submit(case) for case in (RIGHT, WRONG, UNKNOWN))
    assert (right.result(START_S), wrong.result(START_S)) == (1, 0)
    with pytest.raises(JudgeFailure, match="no verdict in its reply 'It is round.'"):
        unknown.result(START_S)
