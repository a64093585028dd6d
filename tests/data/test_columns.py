"""Rows of a table and the samples that they become."""

import io
from pathlib import Path
from typing import Any

import pytest
from datasets import Features, Json, List, Value
from PIL import Image

from table_helpers import png, stored
from visionthink_pl.data import Columns, usable
from visionthink_pl.data.columns import RowReader
from visionthink_pl.types import Box, ConfigError, Region, UnreadableSample, VQASample

ROW = {"question": "Which?", "image": stored("teal"), "answer": "7"}
TEAL = (0, 128, 128)


def read(row: dict[str, Any], columns: Columns = Columns(), folder: str = ".") -> Any:  # noqa: B008
    return RowReader(columns, "kind", folder, {}).read("name", row)


def sample_of(row: dict[str, Any], **columns: Any) -> VQASample:
    sample = read(row, Columns(**columns))
    assert isinstance(sample, VQASample), sample
    return sample


def reason_of(row: dict[str, Any], **columns: Any) -> str:
    bad = read(row, Columns(**columns))
    assert isinstance(bad, UnreadableSample) and bad.id == "name"
    return bad.reason


def test_a_row_becomes_a_sample() -> None:
    sample = sample_of(ROW)
    assert (sample.id, sample.question, sample.answer, sample.kind) == (
        "name",
        "Which?",
        "7",
        "kind",
    )
    assert [image.getpixel((0, 0)) for image in sample.images] == [TEAL]
    assert sample.needs_second_look is None


def test_columns_go_by_other_names_and_into_structs() -> None:
    row = {"q": "Which?", "i": stored("teal"), "a": "7", "k": "chart", "info": {"use": False}}
    names = {"question": "q", "images": "i", "answer": "a", "kind": "k"}
    sample = sample_of(row, **names, needs_second_look="info.use")
    assert (sample.question, sample.answer, sample.kind) == ("Which?", "7", "chart")
    assert sample.needs_second_look is False
    assert sample_of(row | {"info": None}, **names, needs_second_look="info.use").kind == "chart"
    dotted = {"image.png": stored("teal")} | ROW
    assert sample_of(dotted | {"image": None}, images="image.png").images


def test_an_image_in_any_form(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png("teal"))
    opened = Image.open(io.BytesIO(png("teal")))
    whole = str(tmp_path / "a.png")
    for value in (png("teal"), stored("teal"), {"bytes": None, "path": "a.png"}, "a.png", whole):
        sample = read(ROW | {"image": value}, folder=str(tmp_path))
        assert sample.images[0].getpixel((0, 0)) == TEAL, value
    assert sample_of(ROW | {"image": opened}).images[0].getpixel((0, 0)) == TEAL


def test_several_images_from_a_list_or_from_columns() -> None:
    pair = ROW | {"image": [stored("red"), stored("blue")]}
    colours = [(255, 0, 0), (0, 0, 255)]
    assert [image.getpixel((0, 0)) for image in sample_of(pair).images] == colours
    apart = ROW | {"image_1": stored("red"), "image_2": None, "image_3": stored("blue")}
    names = ["image_1", "image_2", "image_3"]
    for nothing in (None, "", " "):
        found = sample_of(apart | {"image_2": nothing}, images=names).images
        assert [image.getpixel((0, 0)) for image in found] == colours


@pytest.mark.parametrize(
    ("question", "images", "asked"),
    [
        ("<image>\nWhich?", 1, "Which?"),
        ("Which is <image>?", 1, "Which is ?"),
        ("<image> or <image>?", 2, "<image 1> or <image 2>?"),
        ("Which?", 2, "Which?"),
        ("<image><image>", 1, None),
        ("<image>", 2, None),
    ],
)
def test_marks_of_images(question: str, images: int, asked: str | None) -> None:
    row = ROW | {"question": question, "image": [stored("red")] * images}
    if asked is None:
        assert reason_of(row).startswith("marks and images differ in number: ")
    else:
        assert sample_of(row).question == asked


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (7, "7"),
        (0.5, "0.5"),
        (1.0, "1"),
        ([], ""),
        ([None, " "], ""),
        ([7], "7"),
        (None, ""),
    ],
    ids=repr,
)
def test_answers_of_all_forms(value: Any, answer: str) -> None:
    assert sample_of(ROW | {"answer": value}).answer == answer


@pytest.mark.parametrize(
    ("value", "answers"),
    [
        (["b", "a"], ("b", "a")),  # of equals the first comes first
        (["seven", "7", "7"], ("7", "seven")),  # the one given most often comes first
        ([2.0, 1, 1.0], ("1", "2")),
        (["7", "7"], ("7",)),
        (["7", " 7"], ("7", " 7")),  # as they are written
        ("a, b", ("a, b",)),  # no list
    ],
    ids=repr,
)
def test_a_list_of_answers_is_several_truths(value: Any, answers: tuple[str, ...]) -> None:
    sample = sample_of(ROW | {"answer": value})
    assert sample.answers == answers == (sample.answer, *sample.other_answers)


@pytest.mark.parametrize("value", [["7", ""], [None, "7"], ["7", " \n", "7"]], ids=repr)
def test_a_blank_answer_among_several_is_a_bad_row(value: Any) -> None:
    sample = sample_of(ROW | {"answer": value})
    assert usable(sample) == UnreadableSample(sample.id, "blank answer among several")
    assert usable(sample, needs_answer=False) is sample


def test_a_list_of_lists_is_no_answer() -> None:
    assert reason_of(ROW | {"answer": [["7"]]}) == "answer is no text: ['7']"


def test_no_column_of_answers_where_none_is_needed() -> None:
    assert sample_of(ROW, answer=None).answer == ""


@pytest.mark.parametrize("columns", ["options", ["a", "b", "c"]], ids=["a list", "columns"])
def test_choices(columns: Any) -> None:
    options = {"options": ["cat", "dog"], "a": "cat", "b": "dog", "c": None}
    sample = sample_of(ROW | options | {"answer": 1}, choices=columns)
    assert (sample.question, sample.answer) == ("Which?\nA. cat\nB. dog", "B. dog")
    assert sample_of(ROW | options | {"answer": 1.0}, choices=columns).answer == "B. dog"
    none = {"options": None, "a": None, "b": " "}
    assert sample_of(ROW | none, choices=columns).question == "Which?"  # an open question


@pytest.mark.parametrize("nothing", [None, "", " "], ids=repr)
@pytest.mark.parametrize("columns", ["options", ["a", "b", "c", "d"]], ids=["a list", "columns"])
def test_an_empty_option_shifts_no_letters(columns: Any, nothing: str | None) -> None:
    def row(*options: str | None) -> dict[str, Any]:
        cells = dict(zip("abcd", options, strict=True))
        return ROW | {"options": list(options), "answer": "C"} | cells

    assert reason_of(row("cat", nothing, "dog", "y"), choices=columns) == "option B is empty"
    assert reason_of(row(nothing, "cat", "dog", "y"), choices=columns) == "option A is empty"
    assert sample_of(row("cat", "x", "dog", nothing), choices=columns).answer == "C. dog"
    assert reason_of(row("cat", "x", nothing, nothing), choices=columns).startswith(
        "answer names no option"
    )
    assert sample_of(row(*[nothing] * 4), choices=columns).question == "Which?"


BAD = [
    ({"image": None}, "no image"),
    ({"image": []}, "no image"),
    ({"image": [stored("red"), None]}, "no image"),
    ({"image": {"bytes": None, "path": None}}, "no image"),
    ({"image": ""}, "no image"),
    ({"image": 7}, "no image: 7 is neither bytes nor a path"),
    ({"image": {"url": "a"}}, "no image: a struct of url; of bytes and path is expected"),
    ({"image": {}}, "no image"),
    (
        {"image": "nowhere.png"},
        f"image file is missing: {Path.cwd() / 'nowhere.png'} (looked up in image_folder)",
    ),
    ({"image": "/nowhere.png"}, "image file is missing: /nowhere.png"),
    ({"question": " "}, "empty question"),
    ({"question": "<image>"}, "empty question"),
    ({"image": b"text"}, "can't decode the image: not an image"),
    ({"question": 7}, "question is no text: 7"),
    ({"answer": True}, "answer is no text: True"),
    ({"answer": float("nan")}, "answer is no text: nan"),
    ({"answer": {"a": 1}}, "answer is no text: {'a': 1}"),
]


@pytest.mark.parametrize(("changed", "reason"), BAD, ids=str)
def test_a_row_that_is_no_sample_says_why(changed: dict[str, Any], reason: str) -> None:
    assert reason_of(ROW | changed) == reason


def test_options_make_no_question_of_none() -> None:
    row = ROW | {"question": " \n", "options": ["cat", "dog"], "answer": "cat"}
    assert reason_of(row, choices="options") == "empty question"


def test_a_folder_of_images_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(png("teal"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read(ROW | {"image": "a.png"}, folder="~").images[0].getpixel((0, 0)) == TEAL


@pytest.mark.parametrize("role", ["question", "answer", "choices", "id", "kind"])
@pytest.mark.parametrize("feature", [Json(), List(Json())], ids=["Json", "a list"])
def test_what_keeps_text_and_numbers_alike_is_refused(role: str, feature: Any) -> None:
    texts = {name: Value("string") for name in ("question", "image", "answer")}
    Columns(**{role: "mixed"}).check(texts | {"mixed": Value("int64")}, "X.columns")
    Columns(images="mixed", needs_second_look="mixed").check(texts | {"mixed": feature}, "X")
    with pytest.raises(ConfigError, match=f"^X.columns: {role}: the column 'mixed' is stored as"):
        Columns(**{role: "mixed"}).check(texts | {"mixed": feature}, "X.columns")
    Columns(**{role: "info.mixed"}).check(texts | {"info": {"mixed": Value("string")}}, "X")
    with pytest.raises(ConfigError, match="'info.mixed' is stored as Json"):
        Columns(**{role: "info.mixed"}).check(texts | {"info": {"mixed": feature}}, "X")


def test_a_choice_that_is_none_and_a_kind_that_is_missing() -> None:
    row = ROW | {"options": ["cat", "dog"], "answer": "cow", "kind": None}
    assert reason_of(row, choices="options").startswith("answer names no option: 'cow' of 'cat'")
    assert reason_of(row, kind="kind") == "no kind"
    assert reason_of(row | {"options": [1, 2]}, choices="options") == "option is no text: 1"


def test_a_column_that_is_not_there() -> None:
    names = dict.fromkeys(["question", "image", "answer", "info"])
    Columns(needs_second_look="info.use_tool").check(names, "VQADataset.columns")
    with pytest.raises(ConfigError) as refused:
        Columns(images=["image", "image_2"]).check(names, "VQADataset.columns")
    assert str(refused.value) == (
        "VQADataset.columns: images: there is no column 'image_2'; the columns are question, "
        "image, answer, info"
    )


def test_a_field_that_is_not_there() -> None:
    info = {"kind": Value("string"), "more": {"use": Value("bool")}}
    plain = {name: Value("string") for name in ("question", "image", "answer", "a.b")}
    features = Features(plain | {"info": info, "none": Value("null")})
    for fine in ("info.kind", "info.more.use", "a.b", "none.kind"):
        Columns(kind=fine).check(features, "X.columns")
    for column, message in (
        ("info.kidn", "there is no field 'kidn' in 'info.kidn'; the fields are kind, more"),
        ("info.more.usd", "there is no field 'usd' in 'info.more.usd'; the fields are use"),
        ("answer.kind", "there is no field 'kind' in 'answer.kind': 'answer' is no struct"),
    ):
        with pytest.raises(ConfigError) as refused:
            Columns(kind=column).check(features, "X.columns")
        assert str(refused.value) == f"X.columns: kind: {message}"


# What a cell holds, of an image of 10 x 10 pixels, and the boxes or the reason.
EVIDENCE = [
    (None, []),
    ([], []),
    ([1, 2, 8, 9], [(1, 2, 8, 9)]),
    ([[1, 2, 8, 9], [0, 0, 10, 10]], [(1, 2, 8, 9), (0, 0, 10, 10)]),
    ([0.4, 0.6, 1.1, 9.5], [(0, 0, 2, 10)]),  # rounded outwards
    ([[1, 2, 8]], "evidence is no box: [1, 2, 8]; [left, top, right, bottom] is expected"),
    ("1, 2, 8, 9", "evidence is no box: '1, 2, 8, 9'; [left, top, right, bottom] is expected"),
    ([1, 2, 8, "9"], "evidence is no box: [1, 2, 8, '9']; "),
    ([1, 2, True, 9], "evidence is no box: "),
    ([1, 2, float("nan"), 9], "evidence is no box: "),
    ([[1, 2, 8, 9], None], "evidence is no box: None"),
    ([8, 2, 1, 9], "evidence lies outside the image: [8, 2, 1, 9], in 10 x 10 pixels"),
    ([1, 2, 1, 9], "evidence lies outside the image: "),
    ([1, 2, 11, 9], "evidence lies outside the image: "),
    ([-1, 2, 8, 9], "evidence lies outside the image: "),
]


@pytest.mark.parametrize(("cell", "expected"), EVIDENCE)
def test_evidence_is_boxes_in_pixels_of_the_first_image(cell: Any, expected: Any) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (10, 10)).save(buffer, "PNG")
    row = ROW | {"image": buffer.getvalue(), "boxes": cell}
    if isinstance(expected, str):
        assert reason_of(row, evidence="boxes").startswith(expected)
        return
    sample = sample_of(row, evidence="boxes")
    assert sample.evidence == tuple(Region(0, Box(*box)) for box in expected)
    assert "boxes" not in sample.extra and "boxes" in sample_of(row).extra
