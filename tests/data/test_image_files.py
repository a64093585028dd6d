"""What a row may say in place of an image's path: a bad row with a reason, never a traceback."""

import base64
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from table_helpers import both, png, write_jsonl, write_parquet
from visionthink_pl.data import ImageFolder, VQADataset
from visionthink_pl.images import ImageDecodeError, decode
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

PNG = png("teal")
BASE64 = base64.b64encode(PNG).decode()
LONG = "image file can't be read: File name too long: "
URL = "image is a URL: none is fetched; download it and give the file's path, not "
ENCODED = "image is base64 text: it is not decoded; store the image as bytes, or as a file"

# What stands in the row, how the reason begins, and why it is none.
NAMES = [
    ("n" * 252 + ".png", LONG, "256 bytes, one more than a name may have"),
    ("é" * 126 + ".png", LONG, "256 bytes in fewer characters"),
    ("a/" * 2500 + "a.png", LONG, "a path that is too long, of names that are not"),
    ("n" * 300, LONG, "too long, and not base64: it has one letter"),
    ("n" * 100_000, LONG, "far too long"),
    ("loop.png", "image file can't be read: Too many levels of symbolic links: ", "to itself"),
    ("round.png", "image file can't be read: Too many levels of symbolic links: ", "in a circle"),
    ("loop.png/a.png", "image file can't be read: Too many levels of", "within a loop"),
    ("dangling.png", "image file is missing: ", "a link to nothing"),
    ("a.png/b.png", "image file is missing: ", "a file is no folder"),
    ("below", "image is no file: ", "a folder"),
    (".", "image is no file: ", "the folder itself"),
    ("pipe.png", "image is no file: ", "a pipe: opening it would wait for a writer"),
    ("a\0.png", "image is no path: it has a null character", "a null character"),
    ("\ud800.png", "image can't be encoded: character 0 is '\\ud800'", "half of a pair"),
    ("a\udcff.png", "image can't be encoded: character 1 is '\\udcff'", "a byte that is no UTF-8"),
    (BASE64, ENCODED, "base64 of a PNG file"),
    (base64.encodebytes(PNG).decode(), ENCODED, "base64 in lines of 76"),
    ("/9j/4AAQSkZJRgABAQ==", ENCODED, "base64 of a JPEG file, which reads like a path"),
    ("R0lGODlhAQABAAAAACw=", ENCODED, "base64 of a GIF file"),
    ("UklGRh4AAABXRUJQVlA4TBEA", ENCODED, "base64 of a WebP file"),
    (base64.b64encode(bytes(range(256)) * 4).decode(), ENCODED, "base64 of a long other file"),
    (base64.urlsafe_b64encode(PNG * 8).decode(), ENCODED, "base64 with the letters for URLs"),
    (f"data:image/png;base64,{BASE64}", "image is a data URI: none is decoded; ", "a data URI"),
    (f"DATA:;base64,{BASE64}", "image is a data URI: none is decoded; ", "in capitals"),
    ("data:image/svg+xml,%3Csvg/%3E", "image is a data URI: ", "a data URI that is not base64"),
    (str(PNG), "image is bytes written as text: ", "what str() makes of bytes"),
    (str(BASE64.encode()), "image is bytes written as text: ", "what str() makes of base64"),
    ("https://example.com/a.png", URL + "'https://example.com/a.png'", "a URL"),
    ("HTTP://EXAMPLE.COM/A.PNG", URL, "a URL in capitals"),
    (" http://example.com/a.png", URL, "a URL behind a blank"),
    ("s3://bucket/a.png", URL, "S3"),
    ("gs://bucket/a.png", URL, "Google's storage"),
    ("hf://datasets/some/one/a.png", URL, "the hub"),
    ("file:///tmp/a.png", URL, "a file as a URL"),
    ("file:/tmp/a.png", URL, "the same, with one slash"),
    ("zip://a.png::/tmp/all.zip", URL, "in an archive, as datasets writes it"),
]
IDS = [row[2] for row in NAMES]
STORABLE = [row for row in NAMES if "can't be encoded" not in row[1]]  # Arrow writes no others


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "photos"
    (inside / "below").mkdir(parents=True)
    (inside / "a.png").write_bytes(PNG)
    (inside / "loop.png").symlink_to("loop.png")
    (inside / "round.png").symlink_to("about.png")
    (inside / "about.png").symlink_to("round.png")
    (inside / "dangling.png").symlink_to("nowhere.png")
    os.mkfifo(inside / "pipe.png")
    return inside


def row(image: Any) -> dict[str, Any]:
    return {"question": "Which?", "answer": "7", "image": image}


@pytest.mark.parametrize(("name", "reason", "why"), NAMES, ids=IDS)
def test_in_a_table(folder: Path, name: str, reason: str, why: str) -> None:
    path = write_jsonl(folder / "q.jsonl", [row(name), row("a.png"), row(["a.png", name])])
    first, good, pair = both(path, image_folder=str(folder))
    assert isinstance(first, UnreadableSample) and first.reason.startswith(reason), why
    assert isinstance(good, VQASample)
    assert pair == UnreadableSample("row 2", first.reason)
    assert "\n" not in first.reason and len(first.reason) < 600
    first.reason.encode()


@pytest.mark.parametrize(("name", "reason", "why"), STORABLE, ids=[row[2] for row in STORABLE])
def test_in_a_struct_of_parquet(folder: Path, name: str, reason: str, why: str) -> None:
    image = {"bytes": None, "path": name}
    (found,) = both(write_parquet(folder / "q.parquet", [row(image)]), image_folder=str(folder))
    assert isinstance(found, UnreadableSample) and found.reason.startswith(reason), why


@pytest.mark.parametrize(("name", "reason", "why"), NAMES, ids=IDS)
def test_in_a_folder(folder: Path, name: str, reason: str, why: str) -> None:
    (folder / "questions.jsonl").write_text(f"{json.dumps(row(name))}\n{json.dumps(row('a.png'))}")
    if name.startswith("/"):
        with pytest.raises(ConfigError, match=r"questions.jsonl:1: the image .* lies outside"):
            ImageFolder(str(folder))
        return
    source = ImageFolder(str(folder))
    found = source[0]
    assert isinstance(found, UnreadableSample) and found.reason.startswith(reason), why
    assert isinstance(source[1], VQASample)


FILES = ["loop.png", "round.png", "below", "pipe.png", "a\0.png", "\ud800", "n" * 300, "nowhere"]


@pytest.mark.parametrize("name", FILES, ids=ascii)
def test_a_source_of_ones_own_may_leave_it_to_decode(folder: Path, name: str) -> None:
    with pytest.raises(ImageDecodeError, match="^image (file )?(is|can't)"):
        decode(folder / name)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("step", ["looking it up", "opening it"])
def test_what_the_system_refuses(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    """The tests may be run by one who may read everything."""
    refused = OSError(number, os.strerror(number), str(folder / "a.png"))

    def refuse(*_: Any, **__: Any) -> None:
        raise refused

    path = write_jsonl(folder / "q.jsonl", [row("a.png")])
    source = VQADataset(path, image_folder=str(folder))
    name = "pathlib.Path.stat" if step == "looking it up" else "PIL.Image.open"
    with monkeypatch.context() as patched:
        patched.setattr(name, refuse)
        found = source[0]
    assert isinstance(found, UnreadableSample)
    assert found.reason.startswith(f"image file can't be read: {os.strerror(number)}: ")
    assert isinstance(source[0], VQASample)


STORED = [
    ({"bytes": BASE64, "path": None}, ENCODED, "base64 in place of bytes"),
    ({"bytes": BASE64, "path": "a.png"}, ENCODED, "bytes come first, whatever they are"),
    ({"bytes": "a.png"}, "image bytes are text: 'a.png'; store", "a path in place of bytes"),
    ({"url": "https://example.com/a.png"}, "no image: a struct of url; of bytes and path", "a URL"),
    ([137, 80, 78, 71], "no image: 137 is neither bytes nor a path", "bytes as numbers"),
    ([[[0, 0, 0]]], "no image: [[0, 0, 0]] is neither bytes nor a path", "pixels"),
    (True, "no image: True is neither", "a truth value"),
    (" ", "no image", "blank"),
]


@pytest.mark.parametrize(("image", "reason", "why"), STORED, ids=[row[2] for row in STORED])
def test_what_is_neither_bytes_nor_a_path(folder: Path, image: Any, reason: str, why: str) -> None:
    (found,) = both(write_jsonl(folder / "q.jsonl", [row(image)]), image_folder=str(folder))
    assert isinstance(found, UnreadableSample) and found.reason.startswith(reason), why


@pytest.mark.parametrize("name", ["data.png", "http", "b'", "iVBORw0KGgo", "s3:a.png", "a:b.png"])
def test_a_file_may_have_an_odd_name(folder: Path, name: str) -> None:
    (folder / name).write_bytes(PNG)
    (found,) = both(write_jsonl(folder / "q.jsonl", [row(name)]), image_folder=str(folder))
    assert isinstance(found, VQASample)


def test_a_folder_of_images_is_one_of_this_machine(folder: Path) -> None:
    path = write_jsonl(folder / "q.jsonl", [row("a.png")])
    with pytest.raises(ConfigError, match="image_folder: a folder on this machine, not 's3://b'"):
        VQADataset(path, image_folder="s3://b")
