"""A judge over real HTTP, and everything that can go wrong on the way."""

import logging
import multiprocessing
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from judge_server import (
    Action,
    Drip,
    Drop,
    Fail,
    Hang,
    Raw,
    Say,
    case_of,
    completion,
    honest,
    judge_server,
)
from visionthink_pl.rewards import APIJudge
from visionthink_pl.rewards.judge import Case, JudgeFailure, endpoint
from visionthink_pl.rewards.judge.cache import VerdictCache
from visionthink_pl.types import ConfigError, RunStopped

KEY = "sk-very-secret-0123456789"
RED, BLUE = Case("Which?", "red", "red"), Case("Which?", "red", "blue")
SLACK_S = 2.0  # what a busy machine may add


@pytest.fixture(autouse=True)
def key_and_short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    monkeypatch.setattr(endpoint, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(endpoint, "QUIET_S", 0.5)


def make_judge(url: str, **options: Any) -> APIJudge:
    short = {"timeout": 2.0, "deadline": 8.0, "max_outage": 1.0, "max_retries": 3}
    return APIJudge(
        **{"model": "made", "base_url": url, "api_key_env": "JUDGE_KEY", **short} | options
    )


def ask(judge: APIJudge, case: Case, within: float = 8.0) -> int | str:
    """The verdict, or what the failure says; in time."""
    began = time.monotonic()
    future = judge.submit(case)
    try:
        return future.result(within + 5)
    except JudgeFailure as failure:
        return str(failure)
    finally:
        assert time.monotonic() - began < within + SLACK_S


def then_honest(*first: Action) -> Callable[[dict[str, Any], int], Action]:
    """Some actions, then the truth."""
    return lambda request, before: first[before] if before < len(first) else honest(request, before)


IN_AN_INSTANT = {"Retry-After": "0"}

# What the server does before it answers honestly, and why the verdict is had all the same.
RECOVERIES = [
    ((), "nothing is wrong"),
    ((Say("Score: 1", after=0.2),), "late, but in time"),
    ((Say("Both say red. Score:", reason="length"),), "cut off: asked once more"),
    ((Say("Score: 1", reason="length"),), "cut off, even where it looks whole"),
    ((Say(""),), "an empty reply"),
    ((Say("Score: 0.5"),), "hedged"),
    ((Fail(429),), "too many requests, no time named"),
    ((Fail(429, IN_AN_INSTANT), Fail(429, IN_AN_INSTANT)), "too many requests, twice"),
    ((Fail(500),), "a failure within"),
    ((Fail(503),), "down for a moment"),
    ((Fail(408),), "a timeout of its own"),
    ((Hang(),), "hangs once: the attempt times out"),
    ((Drip(),), "drips: no read times out, the attempt does"),
    ((Drop(),), "drops the connection"),
    ((Raw(b"{'choices': "),), "no JSON"),
    ((Raw(b"[]"),), "JSON of another shape"),
    ((Raw(b'{"choices": []}'),), "no choice"),
    ((Raw(b'{"choices": [{"message": null, "finish_reason": "stop"}]}'),), "no message"),
    ((Raw(b"<html>busy</html>"),), "a page"),
    ((Raw(completion(Say("Score: 0"))[:-20], promised=500),), "the body is cut off"),
]


@pytest.mark.parametrize(("first", "why"), RECOVERIES, ids=[why for _, why in RECOVERIES])
def test_the_verdict_is_had_all_the_same(first: tuple[Action, ...], why: str) -> None:
    with judge_server(then_honest(*first)) as server:
        assert ask(make_judge(server.url), RED) == 1, why
    with judge_server(then_honest(*first)) as server:
        # A server that said 1 out of turn must not be believed about another case.
        expected = 1 if first and first[0] == Say("Score: 1", after=0.2) else 0
        assert ask(make_judge(server.url), BLUE) == expected, why


FAILURES = [
    (Say(""), "no verdict in its reply ''", 2),
    (Say("It is red."), "no verdict in its reply 'It is red.'", 2),
    (Say("Score: 1\nScore: 0"), "no verdict", 2),
    (Say("Score: 1", reason="length"), "cut off", 2),
    (Fail(500, message="out of memory"), "out of memory", 4),
    (Fail(429, message="slow down"), "slow down", 4),
    (Fail(429, {"Retry-After": "3600"}, "come back in an hour"), "in an hour", 1),
    (Fail(400, message="no such parameter"), "no such parameter", 1),
    (Fail(401, message="who are you"), "who are you", 1),
    (Fail(404, message="no such model"), "no such model", 1),
    (Raw(b"nonsense"), "no chat completion", 4),
    (Drop(), "", 4),
]


@pytest.mark.parametrize(("action", "message", "attempts"), FAILURES, ids=str)
def test_a_failure_is_no_score(action: Action, message: str, attempts: int) -> None:
    with judge_server(lambda request, before: action) as server:
        said = ask(make_judge(server.url), RED)
        assert isinstance(said, str) and said and message in said
        assert len(server.requests) == attempts


@pytest.mark.parametrize("action", [Hang(), Drip(), Say("Score: 1", after=5)], ids=str)
def test_nothing_hangs_past_its_deadline(action: Action) -> None:
    with judge_server(lambda request, before: action) as server:
        judge = make_judge(server.url, timeout=0.4, deadline=1.0, max_retries=99)
        assert ask(judge, RED, within=1.0) == "no reply within 0.4 s"
        assert 2 <= len(server.requests) <= 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(form: str) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    header = {"Retry-After": "0.6" if form == "seconds" else soon}
    with judge_server(then_honest(Fail(429, header))) as server:
        assert ask(make_judge(server.url, deadline=5), RED, within=5) == 1
        first, second = server.times
        assert second - first >= 0.55  # a date has whole seconds
        assert second - first < 2 + SLACK_S


def test_pauses_grow_where_no_time_is_named() -> None:
    with judge_server(then_honest(Fail(429), Fail(429), Fail(429))) as server:
        assert ask(make_judge(server.url), RED) == 1
        gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
        assert all(gap >= 0.015 * 2**n for n, gap in enumerate(gaps))


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


def test_no_more_requests_at_once_than_asked_for() -> None:
    with judge_server(lambda request, before: Say("Score: 1", after=0.05)) as server:
        judge = make_judge(server.url, max_concurrency=3)
        futures = [judge.submit(Case("?", "a", str(index))) for index in range(12)]
        assert [future.result(5) for future in futures] == [1] * 12
        assert server.most_under_way == 3


def test_one_case_is_asked_once() -> None:
    with judge_server(lambda request, before: Say("Score: 1", after=0.1)) as server:
        judge = make_judge(server.url)
        futures = [judge.submit(RED) for _ in range(8)]
        assert [future.result(5) for future in futures] == [1] * 8
        assert judge.submit(RED).result(5) == 1  # nor again later in the run
        assert len(server.requests) == 1


def test_a_failure_is_not_kept() -> None:
    with judge_server(then_honest(Fail(400))) as server:
        judge = make_judge(server.url)
        assert isinstance(ask(judge, RED), str)
        assert ask(judge, RED) == 1


def test_the_cache_goes_by_content(tmp_path: Path) -> None:
    cache = str(tmp_path / "kept" / "verdicts.sqlite")
    prompt = tmp_path / "mine.txt"
    prompt.write_text("Judge: {case}")

    def act(request: dict[str, Any], before: int) -> Action:
        return Say("Score: 1")

    with judge_server(act) as server:
        for options, case, asked, why in (
            ({}, RED, 1, "new"),
            ({}, RED, 1, "known, in another process or run"),
            ({}, BLUE, 2, "another answer"),
            ({}, Case("Which?", "blue", "red"), 3, "another truth"),
            ({}, Case("What?", "red", "red"), 4, "another question"),
            ({"model": "other"}, RED, 5, "another judge"),
            ({"prompt": str(prompt)}, RED, 5 + 1, "another prompt"),
            ({}, RED, 6, "still known"),
        ):
            assert ask(make_judge(server.url, cache=cache, **options), case) == 1
            assert len(server.requests) == asked, why


def fill(cache: str, url: str, name: str) -> None:
    judge = APIJudge("made", url, api_key_env=None, cache=cache)
    futures = [judge.submit(Case("?", "a", f"{name} {index}")) for index in range(50)]
    futures += [judge.submit(Case("?", "a", f"shared {index}")) for index in range(20)]
    assert [future.result(30) for future in futures] == [1] * 70


def test_several_processes_share_a_cache(tmp_path: Path) -> None:
    cache = str(tmp_path / "verdicts.sqlite")
    context = multiprocessing.get_context("spawn")
    started = threading.Event()

    def act(request: dict[str, Any], before: int) -> Action:
        started.set()
        return Say("Score: 1", after=0.01)

    with judge_server(act) as server:
        other = context.Process(target=fill, args=(cache, server.url, "one"))
        other.start()
        assert started.wait(60)
        fill(cache, server.url, "two")
        other.join(60)
        assert other.exitcode == 0
        asked = len(server.requests)
        fill(cache, server.url, "one")
        fill(cache, server.url, "two")
        assert len(server.requests) == asked  # each was kept by whoever asked


def test_a_new_cache_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    def open_and_write(index: int) -> None:
        cache = VerdictCache(str(tmp_path / "new.sqlite"), "made", "1")
        cache.put(Case("?", "a", str(index)), 1)
        assert cache.get(Case("?", "a", str(index))) == 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(open_and_write, range(64)))


def test_a_cache_that_fails_later_stops_the_run(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.sqlite"
    cache = VerdictCache(str(file), "made", "1")
    cache._file.execute("DROP TABLE verdicts")
    with pytest.raises(RunStopped, match="cache of verdicts can't be used: no such table"):
        cache.get(RED)


def test_a_cache_that_is_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but long enough to be looked at as one" * 20)
    judge = make_judge("http://localhost:1/v1", cache=str(file))
    with pytest.raises(ConfigError, match="APIJudge.cache: .*not a database"):
        judge.setup()


def test_what_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    with judge_server(honest) as server:
        options = {"temperature": 0.5, "extra_body": {"chat_template_kwargs": {"think": False}}}
        assert ask(make_judge(server.url, request=options), RED) == 1
        (request,), (headers,) = server.requests, server.headers
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert request["model"] == "made" and request["temperature"] == 0.5
    assert request["chat_template_kwargs"] == {"think": False}
    assert set(request) == {"model", "messages", "temperature", "chat_template_kwargs"}


def test_the_key_is_struck_out_of_what_the_endpoint_says(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    refused = f"Incorrect API key provided: {KEY}."
    with judge_server(lambda request, before: Fail(401, message=refused)) as server:
        judge = make_judge(server.url)
        said = ask(judge, RED)
    assert "Incorrect API key provided: [key]." in said
    with judge_server(lambda request, before: Fail(503, message=refused)) as server:
        assert "[key]" in ask(make_judge(server.url), RED)
    shown = capfd.readouterr()
    assert KEY not in caplog.text + shown.out + shown.err
    assert "[key]" in caplog.text
    echo = "x" * 70 + KEY  # only the end of a reply is shown: first the key is struck out
    with judge_server(lambda request, before: Say(echo)) as server:
        said = str(ask(make_judge(server.url), RED))
        assert KEY[-8:] not in said and "[key]" in said


def test_a_failure_carries_no_request() -> None:
    with judge_server(lambda request, before: Fail(401)) as server:
        with pytest.raises(JudgeFailure) as caught:
            make_judge(server.url).submit(RED).result(5)
        assert caught.value.__cause__ is None and caught.value.__context__ is None


BAD = [
    ({"base_url": "localhost:8000"}, "base_url: an address"),
    ({"base_url": "http://me:secret@localhost/v1"}, "base_url: holds a user name"),
    ({"base_url": "https://localhost/v1?key=secret"}, "base_url: holds a user name"),
    ({"request": {"extra_headers": {"X-Key": "secret"}}}, "request: extra_headers would end up"),
    ({"request": {"temprature": 0}}, "request: 'temprature' is no argument"),
    ({"request": {"stream": True}}, "request: 'stream' is no argument"),
    ({"max_concurrency": 0}, "max_concurrency: at least 1"),
    ({"max_retries": -1}, "max_retries: at least 0"),
    ({"timeout": 0.0}, "timeout: seconds above 0"),
    ({"deadline": float("inf")}, "deadline: seconds above 0"),
    ({"max_outage": -1.0}, "max_outage: seconds, at least 0"),
    ({"max_characters": 0}, "max_characters: at least 1"),
    ({"prompt": "nowhere"}, "prompt: no file"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message for _, message in BAD])
def test_impossible_options_stop_in_the_constructor(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make_judge(**{"url": "http://localhost:1/v1"} | options)
    assert "secret" not in str(caught.value)


KEYS = [None, "", "  ", "sk-one\nsk-two", "sk one", "sk-\u00fc"]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_none_stops_before_anything_is_asked(
    key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On setting up, not on building: whoever only predicts needs no key."""
    judge = make_judge("http://localhost:1/v1", api_key_env="OTHER_KEY")
    if key is not None:
        monkeypatch.setenv("OTHER_KEY", key)
    with pytest.raises(ConfigError, match="APIJudge.api_key_env: .*OTHER_KEY") as caught:
        judge.setup()
    assert not key or not key.strip() or key not in str(caught.value)


def test_white_space_around_a_key_is_not_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", f" {KEY}\n")
    with judge_server(honest) as server:
        assert ask(make_judge(server.url, api_key_env="OTHER_KEY"), RED) == 1
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
