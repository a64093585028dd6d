"""What was found out about rows is remembered until anything changes, and never does harm."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import visionthink_pl.data.remembered as remembered
from visionthink_pl.data.remembered import FOLDER, Finding, Remembered
from visionthink_pl.data.source import Origin, stamp
from visionthink_pl.types import UnreadableSample

TOO_LONG = UnreadableSample("row 1", "prompt too long: 9 tokens")
UNREAD = UnreadableSample("row 2", "can't decode the image: Input/output error")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a table and two images."""
    made = tmp_path / "data"
    made.mkdir()
    for name in ("table", "a.jpg", "b.jpg"):
        (made / name).write_bytes(name.encode())
    return made


def memory(
    folder: Path, rows: int = 4, settings: Any = None, options: Any = None, table: str = "table"
) -> Remembered:
    origin = Origin(options or {"path": "p"}, (folder / table,), folder)
    return Remembered(origin, rows, settings or {"most": 5})


def findings(folder: Path) -> list[Finding]:
    """A row with two images, a bad one that lasts, one that was not readable, one without files."""
    a, b = stamp(folder / "a.jpg"), stamp(folder / "b.jpg")
    unread = Finding(UNREAD, (), lasting=False)
    return [Finding(None, (a, b)), Finding(TOO_LONG, (b,)), unread, Finding(None)]


def known(found: list[Finding | None]) -> list[int]:
    return [row for row, finding in enumerate(found) if finding is not None]


def test_all_that_lasts_is_remembered_as_it_was(folder: Path) -> None:
    assert memory(folder).read() == [None] * 4
    kept = findings(folder)
    memory(folder).write(kept)
    assert memory(folder).read() == [kept[0], kept[1], None, kept[3]]
    assert [file.name for file in (folder / FOLDER).iterdir()] == [memory(folder)._paths[0].name]


def later(file: Path) -> None:
    os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns + 1))


def other_bytes_at_the_same_time(file: Path) -> None:
    time = file.stat().st_mtime_ns
    file.write_bytes(file.read_bytes() + b"!")
    os.utime(file, ns=(time, time))


def replaced(file: Path) -> None:
    (file.parent / "new").write_bytes(b"new")
    os.replace(file.parent / "new", file)


# What is done, rows that are still known then, and why.
CHANGES: list[tuple[Callable[[Path], Any], list[int], str]] = [
    (lambda folder: None, [0, 1, 3], "nothing"),
    (lambda folder: later(folder / "a.jpg"), [1, 3], "an image of one row has a later time"),
    (lambda folder: later(folder / "b.jpg"), [3], "an image of two rows has"),
    (lambda folder: other_bytes_at_the_same_time(folder / "a.jpg"), [1, 3], "another size"),
    (lambda folder: replaced(folder / "a.jpg"), [1, 3], "another image of that name"),
    (lambda folder: (folder / "a.jpg").unlink(), [1, 3], "an image is gone"),
    (lambda folder: later(folder / "table"), [], "the table has a later time"),
    (lambda folder: other_bytes_at_the_same_time(folder / "table"), [], "the table has grown"),
    (lambda folder: (folder / "more.jpg").touch(), [0, 1, 3], "a file that no row has to do with"),
]


@pytest.mark.parametrize(("change", "still", "why"), CHANGES, ids=[row[2] for row in CHANGES])
def test_what_changes_is_looked_at_again_and_no_more(
    folder: Path, change: Callable[[Path], Any], still: list[int], why: str
) -> None:
    memory(folder).write(findings(folder))
    change(folder)
    assert known(memory(folder).read()) == still, why


# How the memory is asked for later, and why it must not answer.
OTHERS = [
    ({"rows": 5}, "another number of rows"),
    ({"settings": {"most": 6}}, "another limit"),
    ({"settings": {"most": None}}, "no limit"),
    ({"settings": {"most": 5, "tokenizer": "another"}}, "another tokenizer"),
    ({"options": {"path": "p", "split": "train[:4]"}}, "another split"),
    ({"table": "a.jpg"}, "another table"),
]


@pytest.mark.parametrize(("asked", "why"), OTHERS, ids=[row[1] for row in OTHERS])
def test_other_rows_or_settings_know_nothing(folder: Path, asked: Any, why: str) -> None:
    memory(folder).write(findings(folder))
    assert known(memory(folder, **asked).read()) == [], why


@pytest.mark.parametrize("what", ["__version__", "PIL.__version__"])
def test_another_version_knows_nothing(
    folder: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(folder).write(findings(folder))
    monkeypatch.setattr(f"visionthink_pl.data.remembered.{what}", "0.0.0")
    assert known(memory(folder).read()) == []


KEY = "THE KEY"  # stands for the right one
SPOILT = {
    "empty": "",
    "cut off": '{"key": "THE KEY", "rows": [[null, [["/a", 1,',
    "bytes": "\x00\x01\x02",
    "a list": "[]",
    "a number": "7",
    "no rows": '{"key": "THE KEY"}',
    "rows are a number": '{"key": "THE KEY", "rows": 4}',
    "rows are numbers": '{"key": "THE KEY", "rows": [1, 2, 3, 4]}',
    "rows are texts": '{"key": "THE KEY", "rows": ["ab", "cd", "ef", "gh"]}',
    "rows are objects": '{"key": "THE KEY", "rows": [{}, {}, {}, {}]}',
    "files are numbers": '{"key": "THE KEY", "rows": [[null, [1]], null, null, null]}',
    "sizes are texts": '{"key": "THE KEY", "rows": [[null, [["a", "b", 1]]], null, null, null]}',
    "a bad row of three": '{"key": "THE KEY", "rows": [[["a", "b", "c"], []], null, null, null]}',
    "nested without an end": '{"key": "THE KEY", "rows": ' + 100_000 * "[",
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_file_is_no_memory_and_is_written_anew(folder: Path, what: str) -> None:
    memory(folder).write(findings(folder))
    (file,) = (folder / FOLDER).iterdir()
    key = json.loads(file.read_text())["key"]
    file.write_text(SPOILT[what].replace(KEY, key))
    assert memory(folder).read() == [None] * 4
    memory(folder).write(findings(folder))
    assert known(memory(folder).read()) == [0, 1, 3]


def blocked(place: Path) -> None:
    """A file where a folder would have to be: nobody can write there, root neither."""
    place.write_text("in the way")


def test_where_the_data_cant_be_written_to_the_users_cache_takes_it(
    folder: Path, tmp_path: Path
) -> None:
    blocked(folder / FOLDER)
    memory(folder).write(findings(folder))
    assert known(memory(folder).read()) == [0, 1, 3]
    assert list((tmp_path / "cache" / "visionthink_pl").iterdir())


def test_where_nothing_can_be_written_nothing_is_remembered_and_nothing_said(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked(folder / FOLDER)
    blocked(tmp_path / "cache")
    memory(folder).write(findings(folder))
    assert memory(folder).read() == [None] * 4
    assert caplog.messages == []


def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(folder).write(findings(folder))
    before = {file.name: file.read_text() for file in (folder / FOLDER).iterdir()}

    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(remembered.os, "replace", full)
    memory(folder).write([Finding(None)] * 4)
    assert {file.name: file.read_text() for file in (folder / FOLDER).iterdir()} == before


def test_several_who_write_at_once_leave_one_whole_file(folder: Path) -> None:
    kept = findings(folder)
    stop, seen = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            seen.append(tuple(known(memory(folder).read())))

    memory(folder).write(kept)
    reader = threading.Thread(target=read)
    writers = [
        threading.Thread(target=lambda: [memory(folder).write(kept) for _ in range(20)])
        for _ in range(3)
    ]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert set(seen) == {(0, 1, 3)}
    assert len(list((folder / FOLDER).iterdir())) == 1


def test_one_file_a_source_however_often_its_settings_change(folder: Path) -> None:
    for most in range(5):
        memory(folder, settings={"most": most}).write(findings(folder))
    assert len(list((folder / FOLDER).iterdir())) == 1
    memory(folder, options={"path": "another"}).write(findings(folder))
    assert len(list((folder / FOLDER).iterdir())) == 2
