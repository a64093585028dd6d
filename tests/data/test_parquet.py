"""Parquet files of one table: which go together, and what is said of those that don't."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, Image

from table_helpers import both, png, stored, write_parquet
from visionthink_pl.data import Columns, VQADataset, VQAStream
from visionthink_pl.types import ConfigError


def table(folder: Path, answers: Any, **more: Any) -> pa.Table:
    (folder / "a.png").write_bytes(png("red"))
    texts = {"question": ["Which?"] * len(answers), "image": [f"{folder}/a.png"] * len(answers)}
    columns = {name: pa.array(values, pa.string()) for name, values in texts.items()}
    return pa.table(columns | {"answer": answers} | more)


def write(folder: Path, *tables: pa.Table) -> str:
    for number, one in enumerate(tables):
        pq.write_table(one, folder / f"{number}.parquet")
    return str(folder / "*.parquet")


# Two columns of answers, what they become together, and why.
TOGETHER = [
    (pa.array(["a"]), pa.array(["b"], pa.large_string()), ["a", "b"], "texts of two sizes"),
    (pa.array(["a"], pa.large_string()), pa.array(["b"]), ["a", "b"], "the other way round"),
    (pa.array(["a"]), pa.array(["b"]).dictionary_encode(), ["a", "b"], "texts and categories"),
    (pa.array([None], pa.null()), pa.array(["b"]), ["", "b"], "a column that is empty first"),
    (pa.array(["a"]), pa.array([None], pa.null()), ["a", ""], "and second"),
    (pa.array([7], pa.int8()), pa.array([2**40]), ["7", str(2**40)], "ints of two sizes"),
    (pa.array([7]), pa.array([0.5, None]), ["7", "0.5", ""], "ints, and floats of 64 bits"),
    (pa.array([0.5]), pa.array([7]), ["0.5", "7"], "the other way round"),
    (pa.array([["a"]]), pa.array([["b"]], pa.large_list(pa.string())), ["a", "b"], "lists"),
    (pa.array([[None]], pa.list_(pa.null())), pa.array([["b"]]), ["", "b"], "empty lists"),
]


@pytest.mark.parametrize(
    ("one", "two", "texts", "why"), TOGETHER, ids=[f"{i} {r[3]}" for i, r in enumerate(TOGETHER)]
)
def test_what_goes_together(
    tmp_path: Path, one: pa.Array, two: pa.Array, texts: list[str], why: str
) -> None:
    found = both(write(tmp_path, table(tmp_path, one), table(tmp_path, two)))
    assert [row.answer for row in found] == texts, why


def test_the_order_of_columns_says_nothing(tmp_path: Path) -> None:
    one = table(tmp_path, pa.array(["a"]))
    found = both(write(tmp_path, one, one.select(["answer", "image", "question"])))
    assert [row.answer for row in found] == ["a", "a"]


# Two columns of answers that are of no one table, and why.
APART = [
    (pa.array(["a"]), pa.array([1]), ("int64", "string"), "1 would become '1', no index any more"),
    (pa.array([1]), pa.array(["a"]), ("string", "int64"), "the other way round"),
    (pa.array([1]), pa.array(["2"]), ("string", "int64"), "even where the text is a number"),
    (pa.array([1.5], pa.float32()), pa.array([1.5]), ("double", "float"), "0.1 would grow digits"),
    (pa.array([1]), pa.array([1.5], pa.float32()), ("float", "int64"), "ints beside such floats"),
    (pa.array([Decimal("1.5")]), pa.array([1.5]), ("double", "decimal128(2, 1)"), "decimals"),
    (pa.array([True]), pa.array([1]), ("int64", "bool"), "truth values"),
    (pa.array(["a"]), pa.array([b"a"]), ("binary", "string"), "bytes"),
    (pa.array(["a"]), pa.array([["a"]]), ("list<", "string"), "a list"),
    (pa.array([["a"]]), pa.array([[1]]), ("list<", "list<"), "lists of two types"),
    (pa.array([[1.5]], pa.list_(pa.float32())), pa.array([[1.5]]), ("list<", "list<"), "floats"),
    (pa.array([{"a": 1}]), pa.array([{"a": "b"}]), ("struct<", "struct<"), "structs"),
    (pa.array(["a"]), pa.array([0], pa.date32()), ("date32[day]", "string"), "dates"),
]


@pytest.mark.parametrize(("one", "two", "types", "why"), APART, ids=[row[3] for row in APART])
@pytest.mark.parametrize("folder", [False, True], ids=["a pattern", "a folder"])
def test_what_does_not(
    tmp_path: Path, one: pa.Array, two: pa.Array, types: tuple[str, str], why: str, folder: bool
) -> None:
    place = tmp_path / "train"
    place.mkdir()
    pattern = write(place, table(tmp_path, one), table(tmp_path, two))
    message = refused(str(place) if folder else pattern)
    names = [f"'{place}/{number}.parquet'" for number in (1, 0)]
    assert message.startswith(f"{' and '.join(names)} are no one table: the column 'answer' holds")
    assert f" {types[0]}" in message and f" {types[1]}" in message, why
    assert message.endswith("; write both as one type")


def refused(path: str) -> str:
    """What both sources say of a path."""
    told = set()
    for name, load in (("VQADataset", VQADataset), ("VQAStream", lambda p: VQAStream(p, ["k"]))):
        with pytest.raises(ConfigError) as error:
            load(path)
        assert str(error.value).startswith(f"{name}.path: ")
        assert "\n" not in str(error.value)
        told.add(str(error.value).removeprefix(f"{name}.path: "))
    (message,) = told
    return message


def test_a_column_that_only_one_file_has(tmp_path: Path) -> None:
    plain = table(tmp_path, pa.array(["a"]))
    more = table(tmp_path, pa.array(["a"]), topic=pa.array(["k"]))
    names = [f"'{tmp_path}/{number}.parquet'" for number in (1, 0)]
    what = f"{' and '.join(names)} are no one table: only the "
    assert refused(write(tmp_path, plain, more)) == f"{what}first has the column 'topic'"
    assert refused(write(tmp_path, more, plain)) == f"{what}second has the column 'topic'"
    apart = table(tmp_path, pa.array(["a"])).rename_columns(["question", "image", "label"])
    assert refused(write(tmp_path, plain, apart)) == f"{what}second has the column 'answer'"


@pytest.mark.parametrize(
    ("counts", "empty"),
    [([0], 0), ([0, 1], 0), ([1, 0], 1), ([1, 0, 1], 1), ([0, 0], 0)],
    ids=str,
)
@pytest.mark.parametrize("kind", [pa.string(), pa.null()], ids=str)
def test_a_file_without_a_row_is_named(
    tmp_path: Path, counts: list[int], empty: int, kind: pa.DataType
) -> None:
    made = [table(tmp_path, pa.array(["a"] * n, pa.string() if n else kind)) for n in counts]
    path = write(tmp_path, *made)
    assert refused(path) == f"'{tmp_path}/{empty}.parquet' holds no row; leave it out"


def test_a_file_without_a_column_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, pa.table({}))
    assert refused(path) == f"'{tmp_path}/0.parquet' holds no row; leave it out"


@pytest.mark.parametrize("cut", [0, 10, -20], ids=["no Parquet", "a beginning", "without its end"])
def test_a_file_that_can_t_be_read_is_named(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path, table(tmp_path, pa.array(["a"])), table(tmp_path, pa.array(["a"])))
    broken = tmp_path / "1.parquet"
    broken.write_bytes(broken.read_bytes()[:cut] if cut else b"question,answer\n")
    assert refused(path).startswith(f"can't read '{broken}': Parquet ")


def test_images_in_two_forms_of_storage_are_one_type(tmp_path: Path) -> None:
    """The type that ``datasets`` notes beside a column is not what Arrow holds in it."""
    rows = [{"question": "Which?", "answer": "7", "image": stored("red")}]
    place = tmp_path / "train"
    place.mkdir()
    write_parquet(place / "0.parquet", rows)
    Dataset.from_list(rows).cast_column("image", Image()).to_parquet(place / "1.parquet")
    for path in (f"{place}/*.parquet", str(place)):
        assert [row.answer for row in both(path)] == ["7", "7"]


def test_a_stream_goes_on_where_the_types_were_merged(tmp_path: Path) -> None:
    tables = [table(tmp_path, pa.array(values)) for values in ([1, 2, 3], [0.5, 4.0], [5])]
    path = write(tmp_path, *tables)
    whole = [row.answer for row, _ in VQAStream(path, ["k"], block=2).read(1, 0, None)]
    for drawn in range(1, 7):
        begun = list(VQAStream(path, ["k"], block=2).read(1, 0, None))[:drawn]
        rest = VQAStream(path, ["k"], block=2).read(1, 0, begun[-1][1])
        assert [row.answer for row, _ in [*begun, *rest]] == whole
    assert sorted(whole) == ["0.5", "1", "2", "3", "4", "5"]


def test_fields_that_only_one_file_has_are_null_in_the_other(tmp_path: Path) -> None:
    one = table(tmp_path, pa.array(["a"]), info=pa.array([{"kind": "k"}]))
    two = table(tmp_path, pa.array(["b"]), info=pa.array([{"kind": "k", "use": True}]))
    found = both(write(tmp_path, one, two), Columns(needs_second_look="info.use"))
    assert [row.needs_second_look for row in found] == [None, True]
