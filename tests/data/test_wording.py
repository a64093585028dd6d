"""Words around a question, hints, lists written as text: what is asked, and what is right."""

from pathlib import Path
from typing import Any

import pytest

from table_helpers import both, png, write_jsonl
from visionthink_pl.data.columns import Columns
from visionthink_pl.data.wording import Wording
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

ROW = {"image": "a.png", "question": "Which?", "answer": "B", "options": "['A', 'B, or C']"}


def read(folder: Path, row: dict[str, Any], columns: Columns, wording: Wording) -> Any:
    (folder / "a.png").write_bytes(png("red"))
    path = write_jsonl(folder / "rows.jsonl", [row])
    (sample,) = both(path, columns, image_folder=str(folder), wording=wording)
    return sample


# Columns, wording, what differs in the row; what is asked, and the truth.
ASKED: list[tuple[Columns, Wording, dict[str, Any], str, str]] = [
    (Columns(), Wording(), {}, "Which?", "B"),
    (Columns(), Wording("{question} One word."), {}, "Which? One word.", "B"),
    (Columns(), Wording(remove=" Yes or no."), {"question": "Is it? Yes or no."}, "Is it?", "B"),
    (Columns(hint="hint"), Wording(), {"hint": "It is big."}, "It is big.\nWhich?", "B"),
    (Columns(hint="hint"), Wording(null="nan"), {"hint": "nan"}, "Which?", "B"),
    (Columns(hint="hint"), Wording(), {"hint": " "}, "Which?", "B"),
    (Columns(hint="hint"), Wording(), {"hint": None}, "Which?", "B"),
    (
        Columns(choices="options"),
        Wording("{question}\nA word.", "{question}\nA letter.", letters=True),
        {},
        "Which?\nA. A\nB. B, or C\nA letter.",
        "B. B, or C",
    ),
    (
        Columns(choices="options"),
        Wording("{question}\nA word.", "{question}\nA letter."),
        {"options": "[]"},
        "Which?\nA word.",
        "B",
    ),
    (Columns(question=None), Wording("Answer it."), {}, "Answer it.", "B"),
    (
        Columns(choices=["A", "C"]),
        Wording(null="nan"),
        {"A": "x", "C": "y", "answer": "A"},
        "Which?\nA. x\nB. y",
        "A. x",
    ),
    (Columns(), Wording("{question}"), {"question": "{question}?"}, "{question}?", "B"),
]


@pytest.mark.parametrize(("columns", "wording", "row", "asked", "truth"), ASKED)
def test_what_is_asked(
    columns: Columns, wording: Wording, row: dict[str, Any], asked: str, truth: str, tmp_path: Path
) -> None:
    sample = read(tmp_path, ROW | row, columns, wording)
    assert isinstance(sample, VQASample), sample
    assert (sample.question, sample.answer) == (asked, truth)


def test_a_letter_that_is_another_option_s_text(tmp_path: Path) -> None:
    row = ROW | {"options": "['B', 'A']", "answer": "A"}
    columns = Columns(choices="options")
    sample = read(tmp_path, row, columns, Wording(letters=True))
    assert (sample.answer, sample.options) == ("A. B", ("B", "A"))
    assert isinstance(read(tmp_path, row, columns, Wording()), UnreadableSample)


def test_a_mapped_column_is_kept_beside(tmp_path: Path) -> None:
    columns = Columns(choices="options", keep=["question"])
    sample = read(tmp_path, ROW, columns, Wording("{question}!", letters=True))
    assert dict(sample.extra) == {"question": "Which?"}


@pytest.mark.parametrize("options", ["['A', 'B'", "[A, B]", "[" * 1000, "['A'] + ['B']"])
def test_a_text_that_only_begins_like_a_list_is_a_bad_row(options: str, tmp_path: Path) -> None:
    row = ROW | {"options": options}
    sample = read(tmp_path, row, Columns(choices="options"), Wording())
    assert isinstance(sample, UnreadableSample) and "options can't be read" in sample.reason


@pytest.mark.parametrize(
    ("columns", "wording", "message"),
    [
        (Columns(), Wording("One word."), r"wording.template: 'One word.' has no slot {question}"),
        (Columns(), Wording(choice_template="x"), "wording.choice_template: 'x' has no slot"),
        (Columns(question=None), Wording(), "has a slot without a column for {question}"),
    ],
)
def test_a_template_without_its_slot_is_refused(
    columns: Columns, wording: Wording, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, ROW, columns, wording)
