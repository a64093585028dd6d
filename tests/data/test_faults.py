"""Rows and files that are damaged, hostile or gone: said in one line, without a traceback, and
nothing hangs."""

import io
import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import EpsImagePlugin, Image

from table_helpers import both, png, write_jsonl, write_parquet
from visionthink_pl.data import ImageFolder, VQADataset, VQAStream
from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.json_rows import row_of
from visionthink_pl.rollout.prompt_files import read_prompt
from visionthink_pl.types import ConfigError, RunStopped, UnreadableSample, VQASample

DEEP = "[" * 900 + "1" + "]" * 900
DEEP_OBJECTS = '{"a":' * 900 + "1" + "}" * 900
NESTED = "nested more than 100 deep"
DIGITS = "a number has 5000 digits; at most 4300"

# What is added to a row, what is said of it, and why.
ROWS = [
    (f'"answer": {DEEP}', NESTED, "an answer, nested"),
    (f'"answer": {DEEP_OBJECTS}', NESTED, "an answer, of objects"),
    (f'"answer": "7", "other": {DEEP}', NESTED, "another column, nested"),
    (f'"answer": "7", "other": {DEEP_OBJECTS}', NESTED, "another column, of objects"),
    (f'"answer": {"[" * 100_000}', "not JSON", "brackets without end"),
    (f'"answer": {"9" * 5000}', DIGITS, "an answer of 5,000 digits"),
    (f'"answer": "7", "other": {"9" * 5000}', DIGITS, "another column of 5,000 digits"),
    ('"answer": "7", "answer": "8"', "the key 'answer' is there twice", "two answers"),
    ('"answer": "7", "o": {"a": 1, "a": 2}', "the key 'a' is there twice", "within a value"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(png("teal"))
    return tmp_path


def line(more: str = '"answer": "7"') -> str:
    return f'{{"question": "Which?", "image": "a.png", {more}}}\n'


@pytest.mark.parametrize(("more", "message", "why"), ROWS, ids=[row[2] for row in ROWS])
def test_a_row_that_can_t_be_read(folder: Path, more: str, message: str, why: str) -> None:
    file = folder / "questions.jsonl"
    file.write_text(line() * 40 + line(more))
    with pytest.raises(ConfigError, match=message) as caught:
        ImageFolder(str(folder))
    assert "questions.jsonl:41" in str(caught.value) and len(str(caught.value)) < 500
    with pytest.raises(ConfigError, match=message) as caught:
        VQADataset(str(file), image_folder=str(folder))
    assert "row 40" in str(caught.value) and len(str(caught.value)) < 500
    with pytest.raises(ConfigError, match=message):  # of the first rows; later ones are bad rows
        VQAStream(str(file), ["k"], image_folder=str(folder))
    with pytest.raises(BadRow, match=message):
        row_of(line(more))


def test_deep_but_readable_values_stay(folder: Path) -> None:
    value = json.loads("[" * 90 + "]" * 90)
    (folder / "questions.jsonl").write_text(line(f'"answer": "7", "other": {json.dumps(value)}'))
    (found,) = both(str(folder / "questions.jsonl"), image_folder=str(folder))
    assert found.extra["other"] == ImageFolder(str(folder))[0].extra["other"] == value


def test_a_value_of_the_wrong_kind_is_not_printed_in_full(folder: Path) -> None:
    for key in ("question", "id"):
        row = {"question": "Which?", "image": "a.png", "answer": "7"} | {key: [1] * 50_000}
        (folder / "questions.jsonl").write_text(json.dumps(row))
        with pytest.raises(ConfigError, match=rf"'{key}' must be a text") as caught:
            ImageFolder(str(folder))
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_a_table_that_is_not_utf_8_says_so(folder: Path, encoding: str) -> None:
    file = folder / "questions.jsonl"
    file.write_bytes((line() + line('"answer": "café"')).encode(encoding))
    for build in (
        lambda: ImageFolder(str(folder)),
        lambda: VQADataset(str(file), image_folder=str(folder)),
        lambda: VQAStream(str(file), ["k"], image_folder=str(folder)),
    ):
        with pytest.raises(ConfigError, match="not UTF-8: 'utf-8' codec can't decode"):
            build()


def test_a_prompt_that_is_not_utf_8_or_can_t_be_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.txt"
    file.write_bytes("caf\xe9".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"rollout.prompt: .*mine.txt' can't be read as UTF-8"):
        read_prompt(str(file), "rollout.prompt")
    monkeypatch.setattr(Path, "read_text", denied)
    with pytest.raises(ConfigError, match="Permission denied"):
        read_prompt(str(file), "rollout.prompt")


def denied(*args: Any, **options: Any) -> Any:
    """What the system says where permission lacks; to the superuser it never says so."""
    raise PermissionError(13, "Permission denied", "a file")


def test_permission_denied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "questions.jsonl"
    file.write_text(line())
    source = ImageFolder(str(folder))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", denied)
        with pytest.raises(ConfigError, match=r"questions.jsonl: can't be read: Permission denied"):
            ImageFolder(str(folder))
    monkeypatch.setattr("PIL.Image.open", denied)
    found = source[0]
    assert isinstance(found, UnreadableSample)
    assert found.reason.startswith("image file can't be read: Permission denied: ")


NO_FILES = ["/dev/zero", "/dev/stdin", "pipe.png", "socket.png", "pipe.jsonl"]


@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_file_is_never_opened(folder: Path, name: str) -> None:
    for pipe in ("pipe.png", "pipe.jsonl"):
        os.mkfifo(folder / pipe)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "socket.png"))
        path = write_jsonl(
            folder / "q.jsonl", [{"question": "Which?", "answer": "7", "image": name}]
        )
        (found,) = both(path, image_folder=str(folder))
    assert isinstance(found, UnreadableSample)
    assert found.reason.startswith("image is no file: ") and "a pipe or a device" in found.reason


def test_a_pipe_in_the_table_s_place_is_never_opened(folder: Path) -> None:
    for name in ("questions.jsonl", "t.parquet", "prompt.txt"):
        os.mkfifo(folder / name)
    with pytest.raises(ConfigError, match="there is no file 'questions.jsonl'"):
        ImageFolder(str(folder))
    for name in ("questions.jsonl", "t.parquet"):
        with pytest.raises(ConfigError, match=f"can't load .*{name}"):
            VQADataset(str(folder / name))
    with pytest.raises(ConfigError, match="no file"):
        read_prompt(str(folder / "prompt.txt"))


def test_no_other_program_runs_on_an_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would hand EPS to Ghostscript."""

    def ran(*args: Any, **options: Any) -> Any:
        pytest.fail("another program was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ran)
    monkeypatch.setattr(subprocess, "Popen", ran)
    written = io.BytesIO()
    Image.new("RGB", (32, 32)).save(written, "EPS")
    (folder / "a.png").write_bytes(written.getvalue())
    (folder / "questions.jsonl").write_text(line())
    path = write_parquet(
        folder / "q.parquet", [{"question": "?", "answer": "7", "image": written.getvalue()}]
    )
    source = ImageFolder(str(folder))
    for found in (source[0], *both(path)):
        assert isinstance(found, UnreadableSample)
        assert found.reason.startswith("EPS is not decoded: Pillow would run Ghostscript on it")
    assert source.look(0).row == source[0]


def test_an_image_that_changes_or_vanishes_while_the_run_goes_on(folder: Path) -> None:
    (folder / "questions.jsonl").write_text(line())
    sources = [
        ImageFolder(str(folder)),
        VQADataset(str(folder / "questions.jsonl"), image_folder=str(folder)),
    ]
    image = folder / "a.png"
    for happens, reason in (
        (lambda: image.write_bytes(b"no image"), "can't decode the image"),
        (lambda: image.write_bytes(png("teal")[:40]), "can't decode the image"),
        (image.unlink, "image file is missing"),
        (image.mkdir, "image is no file"),
    ):
        for source in sources:
            assert isinstance(source[0], VQASample) or reason != "can't decode the image"
        happens()
        for source in sources:
            found = source[0]
            assert isinstance(found, UnreadableSample) and found.reason.startswith(reason)
        if image.is_file():
            image.write_bytes(png("teal"))


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_table_that_vanishes_while_it_is_streamed_stops_the_run(folder: Path, kind: str) -> None:
    rows = [{"question": "Which?", "answer": "7", "image": "a.png"}] * 3
    write = write_parquet if kind == "parquet" else write_jsonl
    for name in ("1", "2"):
        write(folder / f"{name}.{kind}", rows)
    stream = VQAStream(str(folder / f"*.{kind}"), ["k"], image_folder=str(folder), block=3)
    read = stream.read(None, 0, None)
    assert all(isinstance(next(read)[0], VQASample) for _ in range(3))
    (folder / f"2.{kind}").unlink()
    with pytest.raises(RunStopped, match=r"VQAStream.path: .* can't be read any further: "):
        list(read)


def test_a_table_in_memory_outlasts_its_file(folder: Path) -> None:
    file = folder / "questions.jsonl"
    file.write_text(line())
    sources = [ImageFolder(str(folder)), VQADataset(str(file), image_folder=str(folder))]
    file.write_text("changed")
    assert all(isinstance(source[0], VQASample) for source in sources)
    file.unlink()
    assert all(isinstance(source[0], VQASample) for source in sources)
