"""A row's other columns become its sample's ``extra``, whatever the source; what is not plain is
never read."""

import json
import math
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from datasets import (
    Array2D,
    Audio,
    ClassLabel,
    Dataset,
    Features,
    Image,
    Json,
    LargeList,
    List,
    Value,
)

from table_helpers import both, png, stored, write_jsonl, write_parquet
from visionthink_pl.data import (
    Columns,
    ImageFolder,
    LookCloser,
    SavedDataset,
    VQADataset,
    usable,
)
from visionthink_pl.data.columns import RowReader
from visionthink_pl.data.misspelt import misspelling_of
from visionthink_pl.data.other_columns import is_plain
from visionthink_pl.data.table import row_of
from visionthink_pl.types import ConfigError, UnreadableSample

ROW = {"question": "Which?", "image": "a.png", "answer": "7"}
EXTRA = {
    "difficulty": 3,
    "share": 0.25,
    "note": "of caf\u00e9s",
    "checked": True,
    "nothing": None,
    "boxes": [[1, 2], [3, 4]],
    "from": {"page": 7, "tags": ["a", "b"]},
}


@pytest.fixture(autouse=True)
def _image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png("red"))


def of_folder(folder: Path, rows: list[dict[str, Any]]) -> list[Any]:
    write_jsonl(folder / "questions.jsonl", rows)
    source = ImageFolder(str(folder))
    return [source[index] for index in range(len(source))]


def of_lines(folder: Path, rows: list[dict[str, Any]]) -> list[Any]:
    return both(write_jsonl(folder / "q.jsonl", rows), image_folder=str(folder))


def of_a_list(folder: Path, rows: list[dict[str, Any]]) -> list[Any]:
    (folder / "q.json").write_text(json.dumps(rows, indent=1))
    return both(str(folder / "q.json"), image_folder=str(folder))


def of_parquet(folder: Path, rows: list[dict[str, Any]]) -> list[Any]:
    return both(write_parquet(folder / "q.parquet", rows), image_folder=str(folder))


def of_saved(folder: Path, rows: list[dict[str, Any]]) -> list[Any]:
    names = {"question": "problem", "image": "images", "answer": "original_answer"}
    published = [{names.get(name, name): value for name, value in row.items()} for row in rows]
    more = [
        {"images": stored("red"), "doc_id": str(i), "data_source": "k"} for i in range(len(rows))
    ]
    rows = [row | new for row, new in zip(published, more, strict=True)]
    Dataset.from_list(rows).save_to_disk(folder / "saved")
    source = SavedDataset(str(folder / "saved"))
    return [source[index] for index in range(len(source))]


OF_JSON = [of_folder, of_lines, of_a_list]


@pytest.mark.parametrize("read", [*OF_JSON, of_parquet, of_saved])
def test_every_source_hands_on_plain_values(tmp_path: Path, read: Any) -> None:
    found = read(tmp_path, [ROW | EXTRA, ROW | EXTRA | {"difficulty": 4}])
    assert [sample.extra for sample in found] == [EXTRA, EXTRA | {"difficulty": 4}]
    types = {name: type(value) for name, value in EXTRA.items()}
    assert {name: type(value) for name, value in found[0].extra.items()} == types
    assert (found[0].question, found[0].answer) == ("Which?", "7")


@pytest.mark.parametrize("read", [*OF_JSON, of_parquet, of_saved])
def test_without_other_columns_there_are_none(tmp_path: Path, read: Any) -> None:
    assert [dict(sample.extra) for sample in read(tmp_path, [ROW])] == [{}]
    assert dict(LookCloser(2)[1].extra) == {}


@pytest.mark.parametrize("read", OF_JSON)
def test_rows_of_json_have_columns_of_their_own(tmp_path: Path, read: Any) -> None:
    extras = [{"a": 1, "mixed": 7}, {"mixed": "7"}, {}, {"mixed": [7]}]
    assert [row.extra for row in read(tmp_path, [ROW | extra for extra in extras])] == extras


def test_numbers_of_json_are_floats_whatever_their_digits(tmp_path: Path) -> None:
    """Those of an answer are kept."""
    digits = "0.1000000000000000055511151231257827"
    text = json.dumps(ROW | {"answer": "DIGITS", "long": [0.5, {"x": "DIGITS"}]})
    (tmp_path / "questions.jsonl").write_text(text.replace('"DIGITS"', digits))
    rows = both(str(tmp_path / "questions.jsonl"), image_folder=str(tmp_path))
    for row in (*rows, ImageFolder(str(tmp_path))[0]):
        assert row.answer == digits and row.extra == {"long": [0.5, {"x": 0.1}]}
        assert type(row.extra["long"][1]["x"]) is float


TYPED: list[tuple[str, Any, Any, Any]] = [  # column, type, value, what is handed on
    ("label", ClassLabel(names=["easy", "hard"]), 1, 1),
    ("labels", List(ClassLabel(names=["easy", "hard"])), [1, -1], [1, -1]),
    ("day", Value("timestamp[s]"), datetime(2020, 1, 31), datetime(2020, 1, 31)),
    ("price", Value("decimal128(10, 2)"), Decimal("1.50"), 1.5),
    ("half", Value("float16"), 0.5, 0.5),
    ("nan", Value("float64"), math.inf, math.inf),
    ("grid", Array2D((2, 2), "int32"), [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
    ("json", Json(), {"a": [1, "x"]}, {"a": [1, "x"]}),
    ("large", LargeList(Value("large_string")), ["a"], ["a"]),
]
NOT_PLAIN: list[tuple[str, Any, Any]] = [
    ("raw", Value("binary"), b"abc"),
    ("large_raw", Value("large_binary"), b"abc"),
    ("depth", Image(), stored("blue")),
    ("undecoded", Image(decode=False), stored("blue")),
    ("frames", List(Image()), [stored("blue")]),
    ("struct", {"bytes": Value("binary"), "path": Value("string")}, stored("blue")),
    ("nested", List({"mask": Value("binary"), "n": Value("int64")}), [{"mask": b"a", "n": 1}]),
    ("sound", Audio(), None),
]


def typed_row() -> tuple[dict[str, Any], dict[str, Any]]:
    row: dict[str, Any] = ROW | {"image": stored("red")}
    features = Dataset.from_list([row]).features
    for name, feature, value, *_ in [*TYPED, *NOT_PLAIN]:
        row[name], features[name] = value, feature
    return row, features


def test_types_of_tables(tmp_path: Path) -> None:
    row, features = typed_row()
    (found,) = both(write_parquet(tmp_path / "q.parquet", [row], features))
    assert found.extra == {name: value for name, _, _, value in TYPED}
    assert type(found.extra["price"]) is float


@pytest.mark.parametrize(("name", "feature", "value", "_"), TYPED)
def test_is_plain(name: str, feature: Any, value: Any, _: Any) -> None:
    assert is_plain(feature) and is_plain(List({"a": feature}))


@pytest.mark.parametrize(("name", "feature", "value"), NOT_PLAIN)
def test_is_not_plain(name: str, feature: Any, value: Any) -> None:
    assert not is_plain(feature) and not is_plain({"a": LargeList(feature)})


def test_a_struct_of_which_a_field_is_read_is_handed_on_whole(tmp_path: Path) -> None:
    row = ROW | {"image": stored("red"), "info": {"kind": "k", "level": 3}}
    row["stored"] = {"image": stored("blue"), "level": 4}
    path = write_parquet(tmp_path / "q.parquet", [row])
    (found,) = both(path, Columns(kind="info.kind"), ["k"])
    assert found.kind == "k" and found.extra == {"info": {"kind": "k", "level": 3}}
    (found,) = both(path, Columns(images="stored.image"))
    assert found.images[0].getpixel((0, 0)) == (0, 0, 255)
    assert found.extra == {"info": row["info"]}  # an image is within the other


@pytest.fixture
def read_columns(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The columns of each row that is converted to Python."""
    seen: list[set[str]] = []

    def watched(table: Any, *args: Any, **more: Any) -> Any:
        seen.append(set(table.column_names))
        return row_of(table, *args, **more)

    monkeypatch.setattr("visionthink_pl.data.table.row_of", watched)
    monkeypatch.setattr("visionthink_pl.data.arrow.row_of", watched)
    return seen


def test_what_is_not_handed_on_is_not_read(tmp_path: Path, read_columns: list[set[str]]) -> None:
    row, features = typed_row()
    path = write_parquet(tmp_path / "q.parquet", [row], features)
    plain = {name for name, *_ in TYPED}
    source = VQADataset(path)
    read_columns.clear()
    assert dict(source[0].extra) and read_columns.pop() == {*ROW, *plain}
    source.look(0)  # before training: that need not know of them
    assert read_columns.pop() == {*ROW}
    both(path)
    assert read_columns[-1] == {*ROW, *plain}  # by the stream, whose blocks hold no more


def test_a_column_of_sounds_is_in_nobody_s_way(tmp_path: Path) -> None:
    """To decode it takes a package that need not be there."""
    made = Dataset.from_list([ROW | {"image": stored("red"), "sound": {"bytes": b"x", "path": ""}}])
    info = made.info.copy()
    info.features = Features(made.features | {"sound": Audio()})
    Dataset(made.data, info=info).to_parquet(tmp_path / "q.parquet")
    (found,) = both(str(tmp_path / "q.parquet"))
    assert found.question == "Which?" and dict(found.extra) == {}


def test_a_text_that_can_t_be_encoded_makes_no_bad_row(tmp_path: Path) -> None:
    (found,) = of_lines(tmp_path, [ROW | {"note": "a\ud83d"}])
    assert found.extra == {"note": "a\ud83d"}


def test_an_image_folder_keeps_other_keys_as_text(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "questions.jsonl", [ROW | EXTRA, ROW])
    source = ImageFolder(str(tmp_path))
    first, second = source[0], source[0]
    assert first.extra == second.extra == EXTRA
    first.extra["boxes"].clear()
    assert source[0].extra == EXTRA
    assert [row.other is None for row in source._rows] == [False, True]
    assert dict(source.look(0).row.extra) == {}  # nobody needs them there


def test_columns_that_prepare_wrote(tmp_path: Path) -> None:
    cells = ['{"difficulty": 3, "own": "carried"}', None, "[1]", "{", "{}"]
    found = of_saved(tmp_path, [ROW | {"own": "x", "extra_columns": cell} for cell in cells])
    assert found[0].extra == {"own": "carried", "difficulty": 3}
    assert found[1].extra == found[4].extra == {"own": "x"}
    assert found[2] == UnreadableSample("2", "extra_columns is no JSON object: '[1]'")
    assert found[3] == UnreadableSample("3", "extra_columns is no JSON object: '{'")


KNOWN = ("image", "question", "answer", "id", "kind")
MISSPELT = {
    "anwser": "answer",
    "answers": "answer",
    "Answer": "answer",
    "naswer": "answer",
    "imgae": "image",
    "images": "image",
    "qestion": "question",
    "kinds": "kind",
    "knid": "kind",
    "ID": "id",
    " id": "id",
    "di": "id",
}
OTHERS = ["difficulty", "uid", "idx", "wind", "skin", "picture", "options", "hint", "box", "page"]


@pytest.mark.parametrize(("name", "meant"), [*MISSPELT.items(), *((o, None) for o in OTHERS)])
def test_misspellings(tmp_path: Path, name: str, meant: str | None) -> None:
    assert misspelling_of(name, KNOWN) == meant
    row = ROW | {name: "x"}
    row.pop(str(meant), None)  # a line that has it is not misspelt
    if meant is None:
        assert of_folder(tmp_path, [row])[0].extra == {name: "x"}
        return
    with pytest.raises(ConfigError, match=f"unknown key '{name}'; known.*; did you mean '{meant}'"):
        of_folder(tmp_path, [ROW, row])
    whole = ROW | {"kind": "k", "id": "i", name: "x"}
    assert of_folder(tmp_path, [whole])[0].extra == {name: "x"}


@pytest.mark.parametrize("key", ["image", "question"])
def test_a_folder_with_another_name_throughout_is_refused(tmp_path: Path, key: str) -> None:
    row = {name: value for name, value in ROW.items() if name != key} | {"other": "x"}
    message = (
        f"questions.jsonl: '{key}' is missing or empty in every line; known.* keys are 'other'"
    )
    with pytest.raises(ConfigError, match=message):
        of_folder(tmp_path, [row, row | {key: None}])
    first, _ = of_folder(tmp_path, [row, ROW])  # in one line alone it is a bad row
    assert usable(first).reason == {"image": "no image", "question": "empty question"}[key]


def test_a_table_that_lacks_a_column_says_what_is_like_it(tmp_path: Path) -> None:
    rows = [{"question": "a", "image": "b", "anwser": "c"}]
    with pytest.raises(ConfigError, match="no column 'answer'; the columns are .*mean 'anwser'?"):
        VQADataset(write_jsonl(tmp_path / "q.jsonl", rows))
    columns = Columns(answer="anwser", images=["image", "image_2"])
    with pytest.raises(ConfigError, match="anwser$"):  # "image" is named already
        VQADataset(write_jsonl(tmp_path / "q.jsonl", rows), columns)


def test_rows_of_unknown_types_hand_on_what_they_hold() -> None:
    found = RowReader(Columns(), "kind", ".", {}).read("a", ROW | {"image": png("red"), "n": [1]})
    assert found.extra == {"n": [1]}
