"""A judge over real HTTP, and everything that can go wrong on the way."""

import threading
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from httpx2 import URL

from api_judge_helpers import BLUE, KEY, NEVER_S, RED, ask, make_judge, then_honest
from judge_server import Action, Drip, Drop, Fail, Hang, Raw, Say, completion, honest, judge_server
from visionthink_pl.rewards.judge import Case, JudgeFailure
from visionthink_pl.rewards.judge.client import same_server
from visionthink_pl.rewards.judge.key_removal import without_key
from visionthink_pl.types import ConfigError

pytestmark = pytest.mark.usefixtures("key_and_short_pauses")


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
    options = {"max_outage": 60.0}
    if first in ((Hang(),), (Drip(),)):
        options |= {"timeout": 1.0, "max_retries": 30}
    with judge_server(then_honest(*first)) as server:
        assert ask(make_judge(server.url, **options), RED) == 1, why
    with judge_server(then_honest(*first)) as server:
        # A server that said 1 out of turn must not be believed about another case.
        expected = 1 if first and first[0] == Say("Score: 1", after=0.2) else 0
        assert ask(make_judge(server.url, **options), BLUE) == expected, why


def body(content: str) -> Raw:
    """A completion with this, as JSON, for its text."""
    return Raw(completion(Say("Score: 1")).replace(b'"Score: 1"', content.encode()))


NO_TEXT = "no chat completion with a text"
FAILURES = [
    (body('{"text": "Score: 1"}'), NO_TEXT, 4),
    (body('[{"type": "text", "text": "Score: 1"}]'), NO_TEXT, 4),
    (body("1"), NO_TEXT, 4),
    (body("true"), NO_TEXT, 4),
    (body('"It is \\ud800."'), NO_TEXT, 4),
    (body("[" * 50_000 + "]" * 50_000), NO_TEXT, 4),
    (body("9" * 5000), NO_TEXT, 4),
    (Raw(b'{"a":' * 50_000), NO_TEXT, 4),
    (Raw(b"\xff\xfe\xff"), NO_TEXT, 4),
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
    (Raw(b"nonsense"), NO_TEXT, 4),
    (Drop(), "", 4),
]


@pytest.mark.parametrize(("action", "message", "attempts"), FAILURES, ids=str)
def test_a_failure_is_no_score(action: Action, message: str, attempts: int) -> None:
    with judge_server(lambda request, before: action) as server:
        said = ask(make_judge(server.url), RED)
        assert isinstance(said, str) and said and message in said
        assert len(server.requests) == attempts


@pytest.mark.parametrize("action", [Hang(), Drip(), Say("Score: 1", after=500)], ids=str)
def test_nothing_hangs_past_its_deadline(action: Action) -> None:
    with judge_server(lambda request, before: action) as server:
        judge = make_judge(server.url, timeout=0.4, deadline=1.0, max_retries=99)
        assert ask(judge, RED) == "no reply within 0.4 s"
        assert len(server.requests) <= 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(form: str) -> None:
    def act(request: dict[str, Any], before: int) -> Action:
        soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        header = {"Retry-After": "0.6" if form == "seconds" else soon}
        return honest(request, before) if before else Fail(429, header)

    with judge_server(act) as server:
        assert ask(make_judge(server.url), RED) == 1
        first, second = server.times
        assert second - first >= 0.55  # a date has whole seconds


def test_pauses_grow_where_no_time_is_named() -> None:
    with judge_server(then_honest(Fail(429), Fail(429), Fail(429))) as server:
        assert ask(make_judge(server.url), RED) == 1
        gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
        assert all(gap >= 0.015 * 2**n for n, gap in enumerate(gaps))


def test_no_more_requests_at_once_than_asked_for() -> None:
    three = threading.Event()

    def act(request: dict[str, Any], before: int) -> Action:
        if before >= 2:
            three.set()
        assert three.wait(NEVER_S)  # none is answered before there have been three
        return Say("Score: 1", after=0.05)

    with judge_server(act) as server:
        judge = make_judge(server.url, max_concurrency=3)
        futures = [judge.submit(Case("?", "a", str(index))) for index in range(12)]
        assert [future.result(NEVER_S) for future in futures] == [1] * 12
        assert server.most_under_way == 3


def test_what_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    with judge_server(honest) as server:
        options = {"temperature": 0.5, "extra_body": {"chat_template_kwargs": {"think": False}}}
        assert ask(make_judge(server.url, request=options), RED) == 1
        (request,), (headers,) = server.requests, server.headers
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert request["model"] == "made" and request["temperature"] == 0.5
    assert request["chat_template_kwargs"] == {"think": False}
    assert set(request) == {"model", "messages", "temperature", "chat_template_kwargs"}


# What the endpoint says with the key in it, and whether the failure shows that.
ECHOES = [
    *((Fail(status, message=f"Incorrect: {KEY}."), True) for status in (400, 401, 429, 500, 503)),
    (Raw(b"no JSON, " + KEY.encode()), False),
    (Say(KEY), True),
    (Say("x" * 70 + KEY), True),  # only the end is shown: first the key is struck out
]


@pytest.mark.parametrize(("action", "shown"), ECHOES, ids=str)
def test_the_key_is_struck_out_of_what_the_endpoint_says(
    action: Action,
    shown: bool,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with judge_server(lambda request, before: action) as server:
        said = str(ask(make_judge(server.url), RED))
    assert KEY[-8:] not in said and ("[key]" in said) == shown
    printed = capfd.readouterr()
    assert KEY[-8:] not in caplog.text + printed.out + printed.err
    if action == Fail(503, message=f"Incorrect: {KEY}."):  # an outage is said as well
        assert "[key]" in caplog.text


ENCODED = b64encode(f"user:{KEY}".encode()).decode()
LEAKS = [
    (KEY[: len(KEY) // 2], "its first half"),
    (KEY[len(KEY) // 2 :], "its second half"),
    (f"{KEY[:9]}...{KEY[-9:]}", "without its middle"),
    (b64encode(KEY.encode()).decode(), "base64"),
    (ENCODED, "base64 of user:key"),
    (b64encode(f"u:{KEY}".encode()).decode()[:-6], "the same, cut off, one letter on"),
    (KEY.encode().hex(), "hexadecimal"),
]


@pytest.mark.parametrize(("leak", "why"), LEAKS, ids=[why for _, why in LEAKS])
def test_a_part_of_the_key_or_its_code_is_struck_out(leak: str, why: str) -> None:
    said = without_key(f"Bad key {leak}, sorry", KEY)
    assert said.startswith("Bad key ") and said.endswith(", sorry") and "[key]" in said
    left = said.removeprefix("Bad key ").removesuffix(", sorry").replace("[key]", "")
    assert len(left) <= 12  # "..." or the code of another text around it
    with judge_server(lambda request, before: Fail(401, message=f"Bad {leak}.")) as server:
        assert leak not in str(ask(make_judge(server.url), RED))


def test_other_words_stay() -> None:
    text = "The sk- in front, secrets, 0123 and 456789 say nothing: \u00e9\ud800"
    assert without_key(text, KEY) == text
    assert without_key("a short one: abcdef, abc, ab", "abcdef") == "a short one: [key], [key], ab"


def test_a_redirect_to_another_host_is_refused() -> None:
    """Neither is the case sent there, nor its verdict believed."""
    with judge_server(lambda request, before: Say("Score: 1")) as thief:
        away = {"Location": f"{thief.url}/chat/completions"}
        for status in (301, 302, 303, 307, 308):
            with judge_server(lambda request, before, s=status: Fail(s, away)) as server:
                said = str(ask(make_judge(server.url), BLUE))
            assert "it redirects to another server, 127.0.0.1" in said and "base_url" in said
            assert len(server.requests) == 1  # it would say the same again
        assert thief.requests == []


def test_a_redirect_within_the_server_is_followed() -> None:
    def act(request: dict[str, Any], before: int) -> Action:
        return honest(request, before) if before else Fail(308, {"Location": "/v2/chat"})

    with judge_server(act) as server:
        assert ask(make_judge(server.url), RED) == 1
        assert server.headers[1]["Authorization"] == f"Bearer {KEY}"


SERVERS = [
    ("http://a/v1", "http://a/v2", True),
    ("http://a/v1", "https://a/v1", True),
    ("https://a/v1", "http://a/v1", False),
    ("http://a:1/v1", "http://a:2/v1", False),
    ("http://a/v1", "http://b.a/v1", False),
    ("http://a/v1", "http://A:80/v1", True),
]


@pytest.mark.parametrize(("own", "other", "same"), SERVERS)
def test_which_addresses_are_one_server(own: str, other: str, same: bool) -> None:
    assert same_server(URL(own), URL(other)) is same


def test_a_failure_carries_no_request() -> None:
    with judge_server(lambda request, before: Fail(401)) as server:
        with pytest.raises(JudgeFailure) as caught:
            make_judge(server.url).submit(RED).result(NEVER_S)
        assert caught.value.__cause__ is None and caught.value.__context__ is None


BAD = [
    ({"base_url": "localhost:8000"}, "base_url: an address"),
    ({"base_url": "http://me:secret@localhost/v1"}, "base_url: holds a user name"),
    ({"base_url": "https://localhost/v1?key=secret"}, "base_url: holds a user name"),
    ({"request": {"extra_headers": {"X-Key": "secret"}}}, "request: extra_headers would end up"),
    ({"request": {"temprature": 0}}, "request: 'temprature' is no argument"),
    ({"request": {"stream": True}}, "request: 'stream' is no argument"),
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
