"""What an API judge does while nobody answers."""

import logging
import socket
import time
from typing import Any

import pytest

from api_judge_helpers import BLUE, NEVER_S, RED, FastClock, ask, make_judge
from judge_server import Action, Fail, case_of, honest, judge_server
from visionthink_pl.rewards.judge import Case, JudgeFailure, endpoint

pytestmark = pytest.mark.usefixtures("key_and_short_pauses")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FastClock:
    return FastClock(monkeypatch)


def test_a_case_that_alone_meets_503_is_given_up_like_any_other(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody is there: another case has just been answered."""
    monkeypatch.setattr(endpoint, "QUIET_S", NEVER_S)

    def act(request: dict[str, Any], before: int) -> Action:
        blue = case_of(request)["candidate_answer"] == "blue"
        return Fail(503) if blue else honest(request, before)

    with judge_server(act) as server:
        judge = make_judge(server.url, max_retries=5, max_outage=60)
        assert ask(judge, RED) == 1
        assert "made so" in str(ask(judge, BLUE))
        assert server.answers() == ["red"] + ["blue"] * 6
    assert caplog.text == ""  # no outage


def test_an_outage_is_waited_for_once_a_case() -> None:
    """Down, up for a moment and down again: no clock is set back for ever."""

    def act(request: dict[str, Any], before: int) -> Action:
        return Fail(500) if before % 3 == 2 else Fail(503)

    with judge_server(act) as server:
        judge = make_judge(server.url, deadline=0.5, max_outage=0.5, max_retries=99)
        assert isinstance(ask(judge, RED), str)


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
        assert isinstance(ask(judge, RED), str)
        for one in waiting:
            one.close()
    assert "is down (no reply within" in caplog.text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_outage_is_waited_for_and_said(caplog: pytest.LogCaptureFixture) -> None:
    def act(request: dict[str, Any], before: int) -> Action:
        return Fail(503) if before < 6 else honest(request, before)

    with judge_server(act) as server, caplog.at_level(logging.WARNING):
        judge = make_judge(server.url, max_retries=0, max_outage=60)
        futures = [judge.submit(case) for case in (RED, BLUE)]
        assert [future.result(NEVER_S) for future in futures] == [1, 0]
    down, back = [record.getMessage() for record in caplog.records]  # once for all
    assert server.url in down and "waiting for up to 60 s" in down
    assert server.url in back and "is back" in back


def test_an_outage_may_outlast_the_deadline(clock: FastClock) -> None:
    def act(request: dict[str, Any], before: int) -> Action:
        if before == 3:
            return honest(request, before)
        clock.skip(40)
        return Fail(503)

    with judge_server(act) as server:
        judge = make_judge(server.url, deadline=30, max_retries=0, max_outage=200)
        assert ask(judge, RED) == 1


def test_an_outage_in_the_middle_of_a_run_is_noticed(
    caplog: pytest.LogCaptureFixture, clock: FastClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an answer, the first refusals are no outage yet; they count as failed attempts."""
    monkeypatch.setattr(endpoint, "QUIET_S", 60.0)
    said = []

    def act(request: dict[str, Any], before: int) -> Action:
        said.append(caplog.text)
        if before == 3:
            clock.skip(100)
        return Fail(503) if before in (1, 2, 3) else honest(request, before)

    with judge_server(act) as server:
        judge = make_judge(server.url, deadline=50, max_retries=2, max_outage=60)
        assert ask(judge, RED) == 1
        assert ask(judge, BLUE) == 0
    assert said[:4] == [""] * 4 and "is down" in said[4]
    assert "is back" in caplog.text


def test_an_outage_is_not_waited_for_for_ever(
    caplog: pytest.LogCaptureFixture, clock: FastClock
) -> None:
    options = {"max_outage": 60, "max_concurrency": 1, "deadline": 1000}
    judge = make_judge(f"http://127.0.0.1:{free_port()}/v1", **options)
    futures = [judge.submit(Case("?", "a", str(index))) for index in range(20)]
    while "is down" not in caplog.text:
        time.sleep(0.01)
    assert not any(future.done() for future in futures)
    clock.skip(100)
    for future in futures:  # those that had to wait for a slot fail at once
        with pytest.raises(JudgeFailure, match="connection attempts failed"):
            future.result(NEVER_S)
