"""Texts that can't be encoded, in every source: they would end a run where they are tokenized or
written down, long after they were read."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from helpers import make_sample
from table_helpers import both, png, stored, write_jsonl
from visionthink_pl.data import Columns, ImageFolder, SavedDataset, VQADataset, usable
from visionthink_pl.data.texts import abbreviated, not_unicode, printable
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

HIGH, LOW, BYTE = "\ud83d", "\ude00", "\udcff"
COLUMNS = Columns(choices="options", id="name", kind="topic")

# Where it stands, what stands there, and which column is named.
PLACES = [
    ("question", f"Which{HIGH}?", "question"),
    ("question", LOW, "question"),
    ("question", f"{LOW}{HIGH}", "question"),  # a pair the wrong way round is none
    ("answer", f"cat{BYTE}", "answer"),
    ("name", f"{HIGH}a", "id"),
    ("topic", f"chart{HIGH}", "kind"),
    ("answer", [f"cat{HIGH}"] * 2, "answer"),
]
NAMES = [f"{place}: {ascii(text)}" for place, text, _ in PLACES]


def check(row: Any, column: str) -> None:
    assert isinstance(row, UnreadableSample)
    assert row.reason.startswith(f"{column} can't be encoded: character "), row.reason
    json.dumps([row.id, row.reason], ensure_ascii=False).encode()


@pytest.mark.parametrize(("place", "text", "column"), PLACES, ids=NAMES)
@pytest.mark.parametrize("form", ["lines", "list"])
def test_in_json(tmp_path: Path, place: str, text: Any, column: str, form: str) -> None:
    (tmp_path / "a.png").write_bytes(png("red"))
    row = {"question": "Which \U0001f600?", "answer": "cat", "image": "a.png", "options": None}
    rows = [row | {"name": "a", "topic": "k", place: text}, row | {"name": "b", "topic": "k"}]
    path = tmp_path / "q.json"
    path.write_text(json.dumps(rows) if form == "list" else "\n".join(map(json.dumps, rows)))
    kinds = ["k", text] if place == "topic" else ["k"]
    first, second = both(str(path), COLUMNS, kinds, image_folder=str(tmp_path))
    check(first, column)
    assert isinstance(second, VQASample) and second.question == "Which \U0001f600?"
    source = VQADataset(str(path), COLUMNS, image_folder=str(tmp_path))
    assert source.kinds == ("k",)  # of a kind that no row has there would be metrics


def test_in_options(tmp_path: Path) -> None:
    row = {"question": "Which?", "image": "a.png", "options": ["cat", f"dog{HIGH}"], "answer": "A"}
    (tmp_path / "a.png").write_bytes(png("red"))
    path = write_jsonl(tmp_path / "q.jsonl", [row])
    (found,) = both(path, Columns(choices="options"), image_folder=str(tmp_path))
    check(found, "question")
    row["answer"] = "nothing"
    path = write_jsonl(tmp_path / "q.jsonl", [row])
    (found,) = both(path, Columns(choices="options"), image_folder=str(tmp_path))
    assert found.reason.startswith("answer names no option")
    found.reason.encode()


BAD_BYTES = [
    (b"\xed\xa0\xbd", "half of a pair, as some writers encode it"),
    (b"caf\xe9", "Latin-1"),
    (b"\xff\xfea\0", "UTF-16"),
    (b"\xc3", "cut off"),
]


def invalid(values: list[bytes | None], large: bool = False) -> pa.Array:
    """A column of texts that are none: Arrow does not check what it reads."""
    if large:
        return pa.array(values, pa.large_binary()).view(pa.large_string())
    return pa.array(values, pa.binary()).view(pa.string())


@pytest.mark.parametrize(("data", "why"), BAD_BYTES, ids=[row[1] for row in BAD_BYTES])
@pytest.mark.parametrize("column", ["question", "answer", "id", "kind", "unused"])
def test_in_parquet(tmp_path: Path, column: str, data: bytes, why: str) -> None:
    texts = {name: pa.array(["a", "b", "c"]) for name in ("question", "answer", "id", "unused")}
    texts["kind"] = pa.array(["k", "k", "k"])
    last = {"kind": b"k", "unused": None}.get(column, b"c")
    texts[column] = invalid([b"k", data, last], large=column == "answer")
    table = pa.table(texts | {"image": pa.array([stored("red")] * 3)})
    pq.write_table(table, tmp_path / "t.parquet")
    found = both(str(tmp_path / "t.parquet"), Columns(id="id", kind="kind"), ["k"])
    assert [isinstance(row, VQASample) for row in found] == [True, column == "unused", True], why
    if column != "unused":
        check(found[1], column)
    source = VQADataset(str(tmp_path / "t.parquet"), Columns(id="id", kind="kind"))
    assert source.kinds == ("k",)


def test_in_lists_and_structs_of_parquet(tmp_path: Path) -> None:
    answers = pa.ListArray.from_arrays([0, 1, 2], invalid([b"a", b"\xff"]))
    info = pa.StructArray.from_arrays([invalid([b"\xff", b"a"]), pa.array([1, 2])], ["a", "b"])
    paths = pa.StructArray.from_arrays(
        [pa.array([png("red")] * 2), invalid([b"\xff.png", None])], ["bytes", "path"]
    )
    texts = {"question": pa.array(["a", "b"]), "answer": answers, "info": info, "image": paths}
    pq.write_table(pa.table(texts), tmp_path / "t.parquet")
    first, second = both(str(tmp_path / "t.parquet"))
    assert isinstance(first, VQASample) and first.answer == "a"
    check(second, "answer")
    first, second = both(str(tmp_path / "t.parquet"), Columns(answer="info.a"))
    check(first, "answer")
    assert isinstance(second, VQASample) and second.answer == "a"


def test_in_a_saved_data_set(tmp_path: Path) -> None:
    made = {
        "problem": ["a", "b"],
        "original_answer": ["a", "b"],
        "images": [stored("red")] * 2,
        "doc_id": ["a", "b"],
        "data_source": ["k", "k"],
    }
    table = pa.table(made)
    for column, name in (("problem", "question"), ("doc_id", "id"), ("data_source", "kind")):
        place = table.column_names.index(column)
        changed = table.set_column(place, column, invalid([b"\xff", b"k"]))
        Dataset(changed).save_to_disk(tmp_path / column)
        source = SavedDataset(str(tmp_path / column))
        check(source[0], name)
        assert isinstance(source[1], VQASample) and source.kinds == ("k",)


@pytest.mark.parametrize(
    ("place", "column"),
    [("question", "question"), ("answer", "answer"), ("id", "id"), ("kind", "kind")],
)
def test_in_a_folder(tmp_path: Path, place: str, column: str) -> None:
    (tmp_path / "a.png").write_bytes(png("red"))
    row = {"image": "a.png", "question": "Which?", "answer": "7", "kind": "k"}
    write_jsonl(tmp_path / "questions.jsonl", [row | {place: f"a{HIGH}"}, row])
    source = ImageFolder(str(tmp_path))
    check(source[0], column)
    assert isinstance(source[1], VQASample) and source.kinds == ("k",)


@pytest.mark.parametrize("named", ["folder", "file"])
def test_names_of_folders_and_files_that_are_not_utf_8(tmp_path: Path, named: str) -> None:
    """The name of the folder is the kind, and that of the file the beginning of ids."""
    folder = tmp_path / (os.fsdecode(b"caf\xe9") if named == "folder" else "a")
    file = os.fsdecode(b"caf\xe9.jsonl") if named == "file" else "q.jsonl"
    folder.mkdir()
    (folder / "a.png").write_bytes(png("red"))
    row = {"image": "a.png", "question": "Which?", "answer": "7"}
    write_jsonl(folder / file, [row, row | {"id": "a", "kind": "k"}])
    source = ImageFolder(str(folder), questions=file)
    check(source[0], "kind" if named == "folder" else "id")
    assert isinstance(source[1], VQASample)
    assert source.kinds == (("k",) if named == "folder" else ("a", "k"))
    tables = both(
        write_jsonl(folder / "t.jsonl", [row, row | {"image": "b.png"}]), image_folder=str(folder)
    )
    assert isinstance(tables[0], VQASample)
    tables[1].reason.encode()  # it tells of the folder


GOOD = make_sample()
CHANGED = [
    ({"id": HIGH}, "id"),
    ({"question": f"a{BYTE}"}, "question"),
    ({"answer": LOW}, "answer"),
    ({"kind": HIGH}, "kind"),
    ({"extra_kinds": ("a", HIGH)}, "kind"),
]


@pytest.mark.parametrize(("changed", "column"), CHANGED, ids=[ascii(row[0]) for row in CHANGED])
@pytest.mark.parametrize("needs_answer", [True, False], ids=["scored", "predicted"])
def test_in_a_source_of_ones_own(changed: Any, column: str, needs_answer: bool) -> None:
    check(usable(replace(GOOD, **changed), needs_answer), column)
    told = usable(UnreadableSample(f"a{HIGH}", f"missing: {BYTE}"))
    assert told == UnreadableSample("a\\ud83d", "missing: \\udcff")


def test_a_kind_that_is_set_for_all_rows(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "q.jsonl", [{"question": "a", "answer": "b", "image": "c"}])
    for kind in (HIGH, "", " \n"):
        with pytest.raises(ConfigError, match="VQADataset.kind: a text that is not blank, not '"):
            VQADataset(path, kind=kind)


def test_what_is_said_of_a_text() -> None:
    assert not_unicode("\U0001f600 caf\xe9 \0 \ufeff \uffff") is None
    assert not_unicode(f"ab{HIGH}") == (
        "character 2 is '\\ud83d', half of a surrogate pair or a byte that is not UTF-8"
    )
    assert printable(f"é{HIGH}") == "é\\ud83d"
    assert (
        abbreviated("a") == "'a'"
        and abbreviated("a" * 200) == "'" + "a" * 99 + "... (202 characters)"
    )
