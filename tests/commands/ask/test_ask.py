"""The verb: what is printed of each image, and what is refused."""

import json
from pathlib import Path

import pytest

from visionthink_pl.commands.answering.answerer import Answerer
from visionthink_pl.commands.answering.model_options import ModelOptions
from visionthink_pl.commands.ask import ask as ask_module
from visionthink_pl.commands.ask.ask import main
from visionthink_pl.commands.parsing.early import check
from visionthink_pl.data import LookCloser
from visionthink_pl.families import Family
from visionthink_pl.types import Group

QUESTION = "What colour is the large shape?"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three images, one that can't be read, a text and a folder."""
    folder = tmp_path_factory.mktemp("images")
    for index in range(3):
        LookCloser(3)[index].images[0].save(folder / f"{index}.png")
    (folder / "3.jpg").write_bytes(b"nothing of the kind")
    (folder / "notes.txt").write_text("no image")
    (folder / "more").mkdir()
    return folder


@pytest.fixture(scope="module")
def expected(images: Path, family: Family) -> list[Group]:
    model = ModelOptions(device="cpu")
    run = model.find()
    samples = [ask_module.asked(images / f"{index}.png", QUESTION) for index in range(3)]
    return Answerer(model, run, 1.0, 64, 0)(samples, run.options)


def test_one_image(images: Path, expected: list[Group], capsys: pytest.CaptureFixture[str]) -> None:
    file = str(images / "1.png")
    assert main(["--model", "embedded", file, QUESTION]) == 0
    name, answer, look, tokens = capsys.readouterr().out.splitlines()
    assert name == file
    assert answer == f"  answer: {expected[1].trajectories[0].answer}"
    assert look == "  second look: no"
    assert tokens == "  visual tokens: 4 shown, 16 in one full look: 12 saved"


def test_a_folder_with_one_that_cannot_be_read(
    images: Path, expected: list[Group], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--json", str(images), str(images / "0.png"), QUESTION]) == 1
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    names = [Path(row["sample"]).name for row in rows]
    assert names == ["0.png", "1.png", "2.png", "3.jpg", "0.png"]
    unread = rows.pop(3)
    assert unread["unreadable"] == "can't decode the image: not an image"
    right = [group.trajectories[0].answer for group in [*expected, expected[0]]]
    assert [row["answer"] for row in rows] == right
    first = {"file": str(images / "0.png"), "width": 56, "height": 56, "turn": 0, "source": 0}
    assert rows[0]["images"] == [first]
    assert "error: 1 of 5 images could not be read" in err


def test_without_json_the_reason_is_an_error(
    images: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask_module, "AT_ONCE", 2)  # the bad one lies in the second batch
    assert main([str(images), QUESTION]) == 1
    out, err = capsys.readouterr()
    assert out.count("  answer: ") == 3
    assert "3.jpg: can't decode the image: not an image\n" in err


def test_a_question_that_looks_like_yaml(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question = "a: ${b} [1, 2] -5?"
    assert main(["--json", str(images / "0.png"), question]) == 0
    assert json.loads(capsys.readouterr().out)["question"] == question


REFUSED = [
    (["nowhere.png", QUESTION], "images: image file is missing: nowhere.png"),
    (["https://a.b/c.png", QUESTION], "images: image is a URL: none is fetched"),
    (["empty", QUESTION], "images: there is no image in the folder 'empty'"),
    (["a.png", " "], "question: is empty"),
    (["a.png"], "question"),
    (["--model", "nowhere.ckpt", "a.png", QUESTION], "there is no file 'nowhere.ckpt'"),
    (["--modle", "x", "a.png", QUESTION], "unknown key modle; did you mean model"),
]


@pytest.mark.parametrize(("args", "said"), REFUSED)
def test_mistakes_are_refused_in_one_line(
    args: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    LookCloser(1)[0].images[0].save(tmp_path / "a.png")
    assert main(args) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_a_flag_takes_no_value_from_what_follows() -> None:
    check("ask", ["--json", "photo.png", QUESTION])
    check("export", ["--merge", "--ckpt", "a.ckpt"])
