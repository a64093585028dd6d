"""Your own images: what a folder may hold, and what stops the run before training."""

import json
from pathlib import Path

import pytest
from PIL import Image

from visionthink_pl.data import ImageFolder, usable
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

ROW = {"image": "a.png", "question": "What colour?", "answer": "red"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one red image in it, next to one that is out of bounds."""
    inside = tmp_path / "photos"
    inside.mkdir()
    Image.new("RGB", (30, 20), "red").save(inside / "a.png")
    Image.new("RGB", (30, 20), "blue").save(tmp_path / "outside.png")
    return inside


def write(folder: Path, *rows: object, name: str = "questions.jsonl") -> str:
    """Write a JSONL file (texts as they are, all else as JSON) and return the folder's name."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder)


def test_rows_become_samples(folder: Path) -> None:
    second = ROW | {"id": "b", "kind": "colour", "question": "Quelle couleur\u202f?"}
    source = ImageFolder(write(folder, ROW, "", second))  # an empty line is no row
    assert len(source) == 2
    sample, other = source[0], source[1]
    assert isinstance(sample, VQASample) and isinstance(other, VQASample)
    assert (sample.id, sample.kind) == ("questions.jsonl:1", "photos")
    assert (sample.question, sample.answer) == ("What colour?", "red")
    assert sample.images[0].getpixel((0, 0)) == (255, 0, 0)
    assert sample.images[0].size == (30, 20)
    assert sample.needs_second_look is None
    assert (other.id, other.kind, other.question) == ("b", "colour", "Quelle couleur\u202f?")


def test_a_mark_at_the_start_and_a_separator_within_a_text(folder: Path) -> None:
    # Editors on Windows write the mark; U+2028 ends a line for Python, not in JSON.
    row = json.dumps(ROW | {"question": "one\u2028two"}, ensure_ascii=False)
    (folder / "questions.jsonl").write_text(f"\ufeff{row}\r\n", encoding="utf-8")
    sample = ImageFolder(str(folder))[0]
    assert isinstance(sample, VQASample) and sample.question == "one\u2028two"


def test_a_file_that_is_not_utf_8_is_refused(folder: Path) -> None:
    (folder / "questions.jsonl").write_bytes('{"question": "Où?"}'.encode("latin-1"))
    with pytest.raises(ConfigError, match="'questions.jsonl' is not UTF-8"):
        ImageFolder(str(folder))


def test_another_file_of_questions(folder: Path) -> None:
    name = write(folder, ROW, ROW, name="held_out.jsonl")
    assert len(ImageFolder(name, questions="held_out.jsonl")) == 2


def test_kinds_are_known_without_reading_an_image(folder: Path) -> None:
    rows = [ROW | {"kind": kind, "image": "missing.png"} for kind in ("sign", "scene", "sign")]
    assert ImageFolder(write(folder, *rows, ROW)).kinds == ("sign", "scene", "photos")


def test_image_in_a_folder_below(folder: Path) -> None:
    (folder / "below").mkdir()
    Image.new("L", (8, 8), 7).save(folder / "below" / "grey.png")
    sample = ImageFolder(write(folder, ROW | {"image": "below/../below/grey.png"}))[0]
    assert isinstance(sample, VQASample)
    assert sample.images[0].getpixel((0, 0)) == (7, 7, 7)


# What is in the file, the reason that is given, and why it can't be read.
NOT_AN_IMAGE = "can't decode the image: not an image"
UNREADABLE = [
    (b"not an image", NOT_AN_IMAGE, "no image format"),
    (b"", NOT_AN_IMAGE, "empty"),
    (b"\x89PNG\r\n\x1a\n\x00\x00", NOT_AN_IMAGE, "cut off after the signature"),
    (None, "image file is missing: ", "no file at all"),
]


@pytest.mark.parametrize(("content", "reason", "why"), UNREADABLE)
def test_an_unreadable_image_is_reported_by_id(
    folder: Path, content: bytes | None, reason: str, why: str
) -> None:
    if content is not None:
        (folder / "bad.png").write_bytes(content)
    source = ImageFolder(write(folder, ROW | {"image": "bad.png", "id": "bad one"}, ROW))
    row = source[0]
    assert isinstance(row, UnreadableSample), why
    assert row.id == "bad one" and row.reason.startswith(reason)
    assert isinstance(source[1], VQASample)  # the others are as they were


@pytest.mark.parametrize("nothing", [None, "", " \n"], ids=repr)
def test_content_that_is_null_or_blank_makes_a_bad_row(folder: Path, nothing: str | None) -> None:
    rows = [ROW | {key: nothing, "id": key} for key in ROW]
    source = ImageFolder(write(folder, *rows))
    found = [usable(source[index]) for index in range(3)]
    assert found == [
        UnreadableSample("image", "no image"),
        UnreadableSample("question", "empty question"),
        UnreadableSample("answer", "no answer"),
    ]


def test_content_that_is_left_out_makes_a_bad_row(folder: Path) -> None:
    rows = [{k: v for k, v in ROW.items() if k != key} for key in ROW]
    source = ImageFolder(write(folder, *rows))
    reasons = [getattr(usable(source[index]), "reason", None) for index in range(3)]
    assert reasons == ["no image", "empty question", "no answer"]
    assert isinstance(usable(source[2], needs_answer=False), VQASample)  # to be predicted


# A row, what the error must say, and why.
REFUSED = [
    (ROW | {"image": "../outside.png"}, "'../outside.png' lies outside", "up and out"),
    (ROW | {"image": "a/../../outside.png"}, "lies outside", "up and out by a detour"),
    (ROW | {"image": "/etc/hostname"}, "'/etc/hostname' lies outside", "an absolute path"),
    (ROW | {"image": "link.png"}, "'link.png' lies outside", "a link that leads out"),
    ("{'image': 'a.png'}", "questions.jsonl:2: not JSON", "Python's quotes are not JSON's"),
    ("[" * 100_000, "questions.jsonl:2: not JSON", "nested beyond measure"),
    ("[1, 2]", "an object with image, question, answer is expected", "a list"),
    ("null", "an object with image, question, answer is expected", "nothing"),
    (ROW | {"kinds": "sign"}, "unknown key 'kinds'; known are image, question", "a typo"),
    (ROW | {"question": 7}, "'question' must be a text, not 7", "a number"),
    (ROW | {"answer": True}, "questions.jsonl:2: answer is no text: True; a text, a", "a truth"),
    (ROW | {"kind": " "}, "'kind' must be a text that is not empty", "only spaces"),
    (ROW | {"id": None}, "'id' must be a text", "null is no id"),
    (ROW | {"id": "first"}, "id 'first' occurs twice", "the row before has it"),
]


@pytest.mark.parametrize(("row", "message", "why"), REFUSED)
def test_a_row_that_makes_no_sense_is_refused(
    folder: Path, row: object, message: str, why: str
) -> None:
    (folder / "link.png").symlink_to(folder.parent / "outside.png")
    with pytest.raises(ConfigError) as refused:
        ImageFolder(write(folder, ROW | {"id": "first"}, row))
    assert message in str(refused.value), why
    place = f"ImageFolder.questions: {folder / 'questions.jsonl'}:"
    assert str(refused.value).startswith(place)


NUMBERS = [(7, "7"), (7.0, "7"), (0.5, "0.5"), ("007", "007"), ([1, "2", 2], "2"), (0, "0")]


@pytest.mark.parametrize(("answer", "text"), NUMBERS, ids=str)
def test_answers_are_read_as_those_of_tables(folder: Path, answer: object, text: str) -> None:
    sample = ImageFolder(write(folder, ROW | {"answer": answer}))[0]
    assert isinstance(sample, VQASample) and sample.answer == text


def test_a_folder_in_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, ROW)
    monkeypatch.setenv("HOME", str(folder.parent))
    assert isinstance(ImageFolder("~/photos")[0], VQASample)


def test_a_given_id_that_equals_a_line_number_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="'questions.jsonl:2' occurs twice"):
        ImageFolder(write(folder, ROW | {"id": "questions.jsonl:2"}, ROW))


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_questions_is_refused(folder: Path, content: str) -> None:
    with pytest.raises(ConfigError, match="holds no question"):
        ImageFolder(write(folder, content))


def test_a_folder_without_the_file_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file 'questions.jsonl'"):
        ImageFolder(str(folder))
