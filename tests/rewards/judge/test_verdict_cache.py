"""Verdicts are asked for once, and kept."""

import logging
import multiprocessing
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api_judge_helpers import BLUE, NEVER_S, RED, ask, make_judge, then_honest
from judge_server import Action, Fail, Say, judge_server
from visionthink_pl.rewards import APIJudge
from visionthink_pl.rewards.judge import Case
from visionthink_pl.rewards.judge.verdict import is_extraction, is_grade, is_verdict
from visionthink_pl.rewards.judge.verdict_cache import VerdictCache
from visionthink_pl.types import ConfigError, RunStopped

pytestmark = pytest.mark.usefixtures("key_and_short_pauses")


def test_one_case_is_asked_once() -> None:
    with judge_server(lambda request, before: Say("Score: 1", after=0.1)) as server:
        judge = make_judge(server.url)
        futures = [judge.submit(RED) for _ in range(8)]
        assert [future.result(NEVER_S) for future in futures] == [1] * 8
        assert judge.submit(RED).result(NEVER_S) == 1  # nor again later in the run
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
            ({"request": {"temperature": 0, "max_tokens": 256}}, RED, 6, "what is the default"),
            ({"request": {"max_tokens": 256, "temperature": 0}}, RED, 6, "in another order"),
            ({"request": {"temperature": 1, "max_tokens": 256}}, RED, 7, "temperature"),
            ({"request": {"temperature": 0, "max_tokens": 9}}, RED, 8, "length of a reply"),
            ({"request": {}}, RED, 9, "the endpoint's own defaults"),
            ({"request": {"top_p": 0.5}}, RED, 10, "nucleus"),
            ({"request": {"seed": 1}}, RED, 11, "seed"),
            ({"request": {"reasoning_effort": "low"}}, RED, 12, "reasoning"),
            ({"request": {"reasoning_effort": "high"}}, RED, 13, "more of it"),
            ({"request": {"extra_body": {"top_k": 1, "min_p": 0}}}, RED, 14, "of a server's own"),
            ({"request": {"extra_body": {"min_p": 0, "top_k": 1}}}, RED, 14, "in another order"),
            ({"request": {"extra_body": {"top_k": 2, "min_p": 0}}}, RED, 15, "nested"),
            ({"max_characters": 9}, RED, 16, "what is cut"),
            ({"max_retries": 1, "timeout": 1.0, "max_concurrency": 1}, RED, 16, "patience alone"),
            ({}, replace(RED, other_truths=("blue",)), 17, "another truth beside the first"),
            ({}, replace(RED, other_truths=("blue",)), 17, "known"),
            ({}, replace(RED, other_truths=("blue", "green")), 18, "and a third"),
        ):
            assert ask(make_judge(server.url, cache=cache, **options), case) == 1
            assert len(server.requests) == asked, why


def fill(cache: str, url: str, name: str) -> None:
    judge = APIJudge("made", url, api_key_env=None, cache=cache)
    futures = [judge.submit(Case("?", "a", f"{name} {index}")) for index in range(50)]
    futures += [judge.submit(Case("?", "a", f"shared {index}")) for index in range(20)]
    assert [future.result(NEVER_S) for future in futures] == [1] * 70


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
        assert started.wait(NEVER_S)
        fill(cache, server.url, "two")
        other.join(NEVER_S)
        assert other.exitcode == 0
        asked = len(server.requests)
        fill(cache, server.url, "one")
        fill(cache, server.url, "two")
        assert len(server.requests) == asked  # each was kept by whoever asked


def test_a_new_cache_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    def open_and_write(index: int) -> None:
        cache = VerdictCache(str(tmp_path / "new.sqlite"), "1", {"model": "made"}, is_verdict)
        cache.put(Case("?", "a", str(index)), 1)
        assert cache.get(Case("?", "a", str(index))) == 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(open_and_write, range(64)))


def test_a_cache_that_fails_later_stops_the_run(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.sqlite"
    cache = VerdictCache(str(file), "1", {"model": "made"}, is_verdict)
    cache._file.execute("DROP TABLE verdicts")
    with pytest.raises(RunStopped, match="cache of verdicts can't be used: no such table"):
        cache.get(RED)


def test_a_cache_that_is_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but long enough to be looked at as one" * 20)
    judge = make_judge("http://localhost:1/v1", cache=str(file))
    with pytest.raises(ConfigError, match="APIJudge.cache: .*not a database"):
        judge.setup()


DAMAGED = ["7", "10", "-1", "0.5", "true", "null", '"1"', "", "{", "[" * 5000, "\x00", b"\xff\x00"]


@pytest.mark.parametrize("kept", DAMAGED, ids=repr)
def test_a_verdict_that_no_judge_gives_is_asked_for_again(
    tmp_path: Path, kept: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "verdicts.sqlite"
    with judge_server(then_honest()) as server, caplog.at_level(logging.WARNING):
        for case in (RED, BLUE):
            ask(make_judge(server.url, cache=str(cache)), case)
        with sqlite3.connect(cache) as file:
            file.execute("UPDATE verdicts SET verdict = ?", [kept])
        judge = make_judge(server.url, cache=str(cache))
        assert [ask(judge, case) for case in (RED, BLUE)] == [1, 0]
        assert len(server.requests) == 4
        assert caplog.text.count("is damaged") == 1  # said once
        judge = make_judge(server.url, cache=str(cache))
        assert [ask(judge, case) for case in (RED, BLUE)] == [1, 0]
        assert len(server.requests) == 4  # mended


def test_grades_and_texts_come_back_from_the_file(tmp_path: Path) -> None:
    grades = VerdictCache(str(tmp_path / "g.sqlite"), "1", {}, is_grade)
    texts = VerdictCache(str(tmp_path / "t.sqlite"), "1", {}, is_extraction)
    for grade in (0.0, 0.3, 1.0):
        grades.put(RED, grade)
        assert grades.get(RED) == grade
    for text in ("", "1", "a\nb"):
        texts.put(RED, text)
        assert texts.get(RED) == text
