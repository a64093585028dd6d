"""What an API judge does while nobody answers."""

import logging
import socket
import threading
import time
from typing import Any

import pytest

from api_judge_helpers import BLUE, RED, SLACK_S, ask, make_judge
from judge_server import Action, Fail, Say, case_of, honest, judge_server
from visionthink_pl.rewards.judge import Case, JudgeFailure

pytestmark = pytest.mark.usefixtures("key_and_short_pauses")


def test_a_case_that_alone_meets_503_keeps_its_deadline() -> None:
    """Somebody is there: others are answered all the time."""

    def act(request: dict[str, Any], before: int) -> Action:
        return Fail(503) if case_of(request)["candidate_answer"] == "blue" else Say("Score: 1")

    with judge_server(act) as server:
        judge = make_judge(server.url, deadline=1.0, max_retries=99, max_outage=60)
        done = threading.Event()

        def chat() -> None:
            for index in range(10_000):
                if done.wait(0.1):
                    return
                judge.submit(Case("?", "a", str(index)))

        others = threading.Thread(target=chat)
        others.start()
        try:
            assert "made so" in str(ask(judge, BLUE, within=1.0))
        finally:
            done.set()
            others.join()


def test_an_outage_is_waited_for_once_a_case() -> None:
    """Down, up for a moment and down again: no clock is set back for ever."""
    began = time.monotonic()

    def act(request: dict[str, Any], before: int) -> Action:
        return Fail(500) if before % 3 == 2 else Fail(503)

    with judge_server(act) as server:
        judge = make_judge(server.url, deadline=0.5, max_outage=0.5, max_retries=99)
        assert isinstance(ask(judge, RED, within=1.0), str)
    assert time.monotonic() - began < 1.0 + SLACK_S


def test_a_host_that_drops_packets_is_down(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]  # its queue is full
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        judge = make_judge(f"http://127.0.0.1:{port}/v1", timeout=0.4, deadline=0.5, max_outage=1)
        assert isinstance(ask(judge, RED, within=1.5), str)
        for one in waiting:
            one.close()
    assert "is down (no reply within" in caplog.text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_outage_is_waited_for_and_said(caplog: pytest.LogCaptureFixture) -> None:
    gone = threading.Event()

    def act(request: dict[str, Any], before: int) -> Action:
        return honest(request, before) if gone.is_set() else Fail(503)

    with judge_server(act) as server, caplog.at_level(logging.WARNING):
        # a deadline that the outage outlasts, and no retries beside it
        judge = make_judge(server.url, timeout=1, deadline=1, max_retries=0, max_outage=5)
        futures = [judge.submit(case) for case in (RED, BLUE)]
        threading.Timer(1.5, gone.set).start()
        assert [future.result(6) for future in futures] == [1, 0]
    down, back = [record.getMessage() for record in caplog.records]  # once for all
    assert server.url in down and "waiting for up to 5 s" in down
    assert server.url in back and "is back" in back


def test_an_outage_in_the_middle_of_a_run_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    """After an answer, the first refusals are no outage yet; they count as failed attempts."""
    began = time.monotonic()

    def act(request: dict[str, Any], before: int) -> Action:
        away = before > 0 and time.monotonic() - began < 2.5
        return Fail(503) if away else honest(request, before)

    with judge_server(act) as server:
        judge = make_judge(server.url, deadline=1.5, max_retries=99, max_outage=5)
        assert ask(judge, RED) == 1
        assert caplog.text == ""
        assert ask(judge, BLUE, within=5) == 0
    assert time.monotonic() - began > 2.4
    assert "is down" in caplog.text and "is back" in caplog.text


def test_an_outage_is_not_waited_for_for_ever() -> None:
    options = {"timeout": 5, "deadline": 5, "max_outage": 0.6, "max_concurrency": 4}
    judge = make_judge(f"http://127.0.0.1:{free_port()}/v1", **options)
    began = time.monotonic()
    futures = [judge.submit(Case("?", "a", str(index))) for index in range(60)]
    for future in futures:
        with pytest.raises(JudgeFailure, match="connection attempts failed"):
            future.result(5)
    took = time.monotonic() - began
    assert 0.2 < took < 0.6 + SLACK_S  # those that had to wait for a slot fail at once
