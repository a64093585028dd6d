"""Numbers of answers as texts, and that the rule for numbers reads the same number in them."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from table_helpers import both, png, stored
from visionthink_pl.data import Columns, ImageFolder
from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.cells import answer_text, answer_texts
from visionthink_pl.rewards.accuracy import matches
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

# The value, its text, and why.
NUMBERS = [
    (0.1, "0.1", "the fewest digits that tell it from other floats"),
    (0.1 + 0.2, "0.30000000000000004", "another float than 0.3"),
    (1e22, "1" + "0" * 22, "no exponent"),
    (1e23, "1" + "0" * 23, "the nearest float is 99999999999999991611392, which nobody wrote"),
    (1e-7, "0.0000001", "no exponent below 1"),
    (-2.5e-9, "-0.0000000025", "a sign"),
    (1.5e300, "15" + "0" * 299, "a very large one"),
    (5e-324, "0." + "0" * 323 + "5", "the smallest of all"),
    (123456789012345680.0, "123456789012345680", "17 digits"),
    (7.0, "7", "a null makes floats of a column of ints"),
    (-0.0, "0", "no sign of zero"),
    (7, "7", "an int"),
    (-3, "-3", "below zero"),
    (10**30, "1" + "0" * 30, "an int that no float holds"),
    (2**64 - 1, "18446744073709551615", "the largest of 64 bits"),
    (np.float32(0.1), "0.1", "as a float of 64 bits it has 0.10000000149011612"),
    (np.float32(1e-7), "0.0000001", "32 bits, small"),
    (np.float32(3.4e38), "34" + "0" * 37, "32 bits, large"),
    (np.float32(16777217), "16777216", "32 bits hold no other number there"),
    (np.float16(0.1), "0.1", "as a float of 64 bits it has 0.0999755859375"),
    (np.float16(2048), "2048", "16 bits hold all whole numbers up to there"),
    (np.float16(65504), "65500", "and no other between 65472 and 65520: fewest digits"),
    (np.float64(0.1), "0.1", "numpy's 64 bits"),
    (np.int64(7), "7", "numpy's int"),
    (np.uint8(255), "255", "numpy's byte"),
    (np.str_("7.0"), "7.0", "numpy's text is a text"),
    (Decimal("1.50"), "1.50", "a decimal keeps its digits"),
    (Decimal("7"), "7", "a whole decimal"),
    (Decimal("1E+3"), "1000", "a decimal with an exponent"),
    (Decimal("1E-30"), "0." + "0" * 29 + "1", "a small decimal"),
    (
        Decimal("0.1000000000000000055511151231257827"),
        "0.1000000000000000055511151231257827",
        "all",
    ),
]
NO_NUMBERS = [
    (float("nan"), "answer is no text: nan", "no number"),
    (float("-inf"), "answer is no text: -inf", "infinite"),
    (np.float32("inf"), "answer is no text: inf", "infinite in 32 bits"),
    (Decimal("NaN"), "answer is no text: NaN", "a decimal that is none"),
    (Decimal("Infinity"), "answer is no text: Infinity", "an infinite decimal"),
    (True, "answer is no text: True", "a truth value: yes, true or right, nobody knows"),
    (np.bool_(True), "answer is no text: np.True_", "numpy's truth value"),
    (10**1001, "answer has too many digits: ", "an int without end"),
    (10**5000, "answer has too many digits: ", "more digits than Python writes"),
    (Decimal("1E+999999999"), "answer has too many digits: ", "a gigabyte of zeros"),
    (Decimal("1E-999999999"), "answer has too many digits: ", "the same behind the point"),
    (1j, "answer is no text: 1j", "a complex number"),
    (b"7", "answer is no text: b'7'", "bytes"),
    ({"x" * 500: 1}, "answer is no text: {'xxx", "long, so it is cut off"),
]


@pytest.mark.parametrize(("value", "text", "why"), NUMBERS, ids=[row[2] for row in NUMBERS])
def test_numbers(value: Any, text: str, why: str) -> None:
    assert answer_text(value) == text, why
    assert matches(text, answer_text(value))
    if not isinstance(value, list | str):
        assert float(text) == float(str(value)), "another number"


@pytest.mark.parametrize(("value", "reason", "why"), NO_NUMBERS, ids=[row[2] for row in NO_NUMBERS])
def test_what_is_no_number(value: Any, reason: str, why: str) -> None:
    with pytest.raises(BadRow) as refused:
        answer_text(value)
    assert str(refused.value).startswith(reason), why
    assert len(str(refused.value)) < 250


def answered(folder: Path, answers: pa.Array) -> list[Any]:
    """What becomes of a column of answers in a parquet file."""
    texts = {name: pa.array(["Which?"] * len(answers)) for name in ("question", "name")}
    (folder / "a.png").write_bytes(png("red"))
    images = pa.array([str(folder / "a.png")] * len(answers))
    pq.write_table(pa.table(texts | {"image": images, "answer": answers}), folder / "t.parquet")
    found = both(str(folder / "t.parquet"))
    return [row.answer if isinstance(row, VQASample) else row.reason for row in found]


COLUMNS = [
    (pa.array([0.1, 1e10, None, 7], pa.float32()), ["0.1", "10000000000", "", "7"], "float32"),
    (pa.array([np.float16(0.1)], pa.float16()), ["0.1"], "float16"),
    (pa.array([0.1, 1e22]), ["0.1", "1" + "0" * 22], "float64"),
    (pa.array([[0.1, 0.1, 0.2]], pa.list_(pa.float32())), ["0.1"], "a list of float32"),
    (pa.array([[0.1]], pa.large_list(pa.float32())), ["0.1"], "a large list of float32"),
    (pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)), ["1.50", ""], "decimal128"),
    (pa.array([Decimal("1.50")], pa.decimal256(50, 2)), ["1.50"], "decimal256"),
    (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"], "uint64"),
    (pa.array([7, None], pa.int8()), ["7", ""], "int8"),
    (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"], "categories"),
    (pa.array(["a"], pa.large_string()), ["a"], "large text"),
    (pa.array([True]), ["answer is no text: True"], "truth values"),
    (pa.array([0], pa.date32()), ["answer is no text: datetime.date(1970, 1, 1)"], "dates"),
    (
        pa.array([0], pa.timestamp("ms")),
        ["answer is no text: datetime.datetime(1970, 1, 1, 0, 0)"],
        "times of a day",
    ),
    (pa.array([0], pa.time32("s")), ["answer is no text: datetime.time(0, 0)"], "times"),
    (pa.array([b"7"]), ["answer is no text: b'7'"], "bytes"),
]


@pytest.mark.parametrize(("answers", "texts", "what"), COLUMNS, ids=[row[2] for row in COLUMNS])
def test_columns_of_parquet(tmp_path: Path, answers: pa.Array, texts: list[str], what: str) -> None:
    assert answered(tmp_path, answers) == texts, what


def test_a_field_of_a_struct_has_digits_of_its_own_too(tmp_path: Path) -> None:
    info = pa.array([{"answer": 0.1}], pa.struct({"answer": pa.float32()}))
    table = {"question": pa.array(["Which?"]), "image": pa.array([stored("red")]), "info": info}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    (row,) = both(str(tmp_path / "t.parquet"), Columns(answer="info.answer"))
    assert row.answer == "0.1"


# A number as it stands in JSON, its text, and why.
JSON = [
    ("0.1", "0.1", "as written"),
    ("1e22", "1" + "0" * 22, "an exponent"),
    ("1E-7", "0.0000001", "a small one"),
    ("7.0", "7", "whole"),
    ("3.14159265358979323846", "3.14159265358979323846", "more digits than a float holds"),
    ("123456789012345678901234567890", "123456789012345678901234567890", "an int"),
    ("12345678901234567890.5", "12345678901234567890.5", "between two floats"),
    ("1e400", "1" + "0" * 400, "larger than any float"),
    ("1e-400", "0." + "0" * 399 + "1", "smaller than any float"),
    ("1e999999999", "answer has too many digits: ", "an exponent that nobody would write out"),
    ("1e99999999999999999999", "answer is no text: inf", "an exponent beyond measure"),
    ("NaN", "answer is no text: nan", "what Python writes"),
]


@pytest.mark.parametrize("form", ["lines", "list", "folder"])
@pytest.mark.parametrize(("number", "text", "why"), JSON, ids=[row[2] for row in JSON])
def test_numbers_of_json(tmp_path: Path, form: str, number: str, text: str, why: str) -> None:
    (tmp_path / "a.png").write_bytes(png("red"))
    line = f'{{"question": "Which?", "image": "a.png", "answer": {number}}}'
    if form == "folder" and text.startswith("answer"):
        return  # it stops the run, as any answer of the wrong kind does there
    if form == "folder":
        (tmp_path / "questions.jsonl").write_text(line)
        row: Any = ImageFolder(str(tmp_path))[0]
    else:
        content = line if form == "lines" else f" [\n {line} ,\n{line}\t]\n"
        (tmp_path / "q.json").write_text(content)
        row, *more = both(str(tmp_path / "q.json"), image_folder=str(tmp_path))
        assert len(more) == (form == "list")
    if isinstance(row, UnreadableSample):
        assert row.reason.startswith(text), why
    else:
        assert row.answer == text, why


def test_numbers_of_more_digits_than_python_reads_are_told_of_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text('{"image": "a.png", "answer": ' + "7" * 5000 + "}")
    with pytest.raises(ConfigError, match="questions.jsonl:1: not JSON: a number has 5000 digits"):
        ImageFolder(str(tmp_path))


def test_a_list_of_the_same_number_in_three_types_is_one_truth() -> None:
    assert answer_texts([0.5, np.float32(0.5), Decimal("0.5")]) == ("0.5",)
