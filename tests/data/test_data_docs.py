"""What docs/data.md says of YAML, of files and of bad rows."""

import doctest
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from PIL import Image

from helpers import make_sample
from model_helpers import at_most, make_conversation
from prepare_helpers import Listed
from table_helpers import stored, write_parquet
from visionthink_pl.callbacks.screening import Screening
from visionthink_pl.commands.trainer.cli import VisionThinkCLI, main
from visionthink_pl.data import (
    Columns,
    PromptDataModule,
    SavedDataset,
    VQADataset,
    VQAStream,
    usable,
)
from visionthink_pl.families import Family
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

DOCS = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
YAML = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
(CODE,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
REASONS = re.findall(
    r"^\| ([^|]+?) \| (`[^|]+`) \|$", DOCS.split("bad row, with the reason")[1], re.M
)


class AboutToBuild(Exception):
    """Raised once a config has been parsed, with the data's part of it."""


@pytest.mark.parametrize("text", YAML, ids=[re.findall(r"\.([A-Z]\w+)", t)[0] for t in YAML])
def test_yaml_is_understood(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(cli: VisionThinkCLI) -> None:
        raise AboutToBuild(cli.config.fit.data)

    monkeypatch.setattr(VisionThinkCLI, "instantiate_classes", stop)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("my_squares.py").write_text(CODE)
    Path("docs.yaml").write_text(text)
    with pytest.raises(AboutToBuild) as parsed:
        main(["fit", "--config", "docs.yaml"])
    assert parsed.value.args[0].train.class_path in text
    Path("docs.yaml").write_text(text.replace("init_args:", "init_arg:", 1))
    assert main(["fit", "--config", "docs.yaml"]) == 2  # a typo is noticed


def saved(image: Image.Image, **options: Any) -> dict[str, Any]:
    buffer = io.BytesIO()
    image.save(buffer, options.pop("format", "PNG"), **options)
    return {"bytes": buffer.getvalue(), "path": None}


GOOD = {"question": "Which?", "image": stored("red"), "answer": "7", "kind": "k"}
NOISE = saved(Image.effect_noise((64, 64), 50))["bytes"]
CHOICE = {"options": ["cat", "dog"], "answer": "dog"}

# What the table names, and a row that is it.
BAD: dict[str, dict[str, Any]] = {
    "no image in the row": {"image": None},
    "an image that is neither bytes nor a path": {"image": 7},
    "a name of more than 255 bytes, links in a circle, no permission": {"image": "n" * 256},
    "a folder, a pipe or a device in place of a file": {"image": "."},
    "a null character in a path": {"image": "a\0"},
    "a URL": {"image": "https://example.com/a.png"},
    "a data URI": {"image": "data:image/png;base64,iVBORw0KGgo="},
    "base64 text": {"image": "iVBORw0KGgo="},
    "what Python's `str` makes of bytes": {"image": str(stored("red")["bytes"])},
    "text in place of the bytes": {"image": {"bytes": "a", "path": None}},
    "missing image": {"image": {"bytes": None, "path": "nowhere.png"}},
    "not an image": {"image": {"bytes": b"text", "path": None}},
    "cut off in the middle": {"image": {"bytes": NOISE[:-1000], "path": None}},
    "200 megapixels": {"image": saved(Image.new("1", (20_000, 10_000)))},
    "32-bit greyscale": {"image": saved(Image.new("F", (2, 2)), format="TIFF")},
    "EPS, on which Pillow would run Ghostscript": {
        "image": saved(Image.new("L", (2, 2)), format="EPS")
    },
    "one side more than 50 times the other": {"image": saved(Image.new("L", (101, 2)))},
    "empty question": {"question": " "},
    "no answer, but in `predict`": {"answer": None},
    "a blank answer beside others, but in `predict`": {"answer": ["7", " "]},
    "more or fewer marks than images": {"question": "<image><image>?"},
    "an answer that is none of the options, or could be two": CHOICE | {"answer": "cow"},
    "one option, or more than ten": CHOICE | {"options": ["cat"]},
    "an empty option before another": CHOICE | {"options": [None, "dog"]},
    "a question that is not text": {"question": 7},
    "boxes of evidence that are not four numbers each": {"boxes": [[0, 0, 1]]},
    "a box that is empty, reversed, or lies outside the first image": {"boxes": [[0, 0, 0, 1]]},
    "an answer that is neither text nor a finite number": {"answer": True},
    "an option that is not text": CHOICE | {"options": [1, 2]},
    "a null or blank kind": {"kind": " "},
    "a kind that is a list or a struct": {"kind": ["k"]},
}
NO_JSON, TOO_LONG, OTHER_KIND, NO_TEXT, NO_OBJECT = (
    "in a streamed file, a line that is not JSON",
    "a prompt over `rollout.max_prompt_tokens`",
    "in a stream, a kind that was not given",
    "half of a surrogate pair, or bytes that are not UTF-8",
    "in a saved data set, `extra_columns` that are no JSON object",
)


def test_every_line_of_the_table_is_tried() -> None:
    assert [what for what, _ in REASONS if what not in BAD] == [
        TOO_LONG,
        NO_TEXT,
        NO_JSON,
        OTHER_KIND,
        NO_OBJECT,
    ]
    assert len(REASONS) == len(BAD) + 5


def reason_of(row: VQASample | UnreadableSample) -> str:
    bad = usable(row)
    assert isinstance(bad, UnreadableSample) and bad.id == "row 0"
    return bad.reason


def documented(what: str) -> str:
    return re.findall("`(.+?)`", dict(REASONS)[what])[0]


@pytest.mark.parametrize("what", BAD)
def test_each_gives_the_documented_reason(what: str, tmp_path: Path) -> None:
    columns = Columns(choices="options", kind="kind", evidence="boxes")
    row = GOOD | {"options": None, "boxes": [[0, 0, 1, 1]]} | BAD[what]
    bad = VQADataset(write_parquet(tmp_path / "bad.parquet", [row]), columns)
    right = GOOD | CHOICE | {"boxes": None}
    good = VQADataset(write_parquet(tmp_path / "good.parquet", [right]), columns)
    assert reason_of(bad[0]).startswith(documented(what))
    assert isinstance(usable(good[0]), VQASample)


def test_a_line_that_is_not_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visionthink_pl.data.stream.FIRST_ROWS", 1)
    (tmp_path / "a.jsonl").write_text('{"question": "a", "image": "b", "answer": "c"}\n{]\n')
    _, (row, _) = VQAStream(str(tmp_path / "a.jsonl"), ["k"]).read(None, 0, None)
    assert isinstance(row, UnreadableSample) and row.reason.startswith(documented(NO_JSON))


def test_a_text_that_is_none(tmp_path: Path) -> None:
    row = '{"question": "\\ud800", "image": "a.png", "answer": "c"}\n'
    (tmp_path / "a.jsonl").write_text(row)
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    source = VQADataset(str(tmp_path / "a.jsonl"), image_folder=str(tmp_path))
    assert reason_of(source[0]).startswith(documented(NO_TEXT))


def test_a_kind_that_was_not_given(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", [GOOD])
    ((row, _),) = VQAStream(path, ["other"], Columns(kind="kind")).read(None, 0, None)
    assert reason_of(row).startswith(documented(OTHER_KIND))


def test_extra_columns_that_are_no_object(tmp_path: Path) -> None:
    names = {
        "problem": "Which?",
        "original_answer": "7",
        "images": stored("red"),
        "doc_id": "row 0",
    }
    row = names | {"data_source": "k", "extra_columns": "[]"}
    Dataset.from_list([row]).save_to_disk(tmp_path / "saved")
    assert reason_of(SavedDataset(str(tmp_path / "saved"))[0]).startswith(documented(NO_OBJECT))


def test_the_other_columns_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,), (text,) = (
        re.findall(rf"```{kind}\n(.*?)```", DOCS, re.S) for kind in ("json", "pycon")
    )
    (tmp_path / "my_folder").mkdir()
    (tmp_path / "my_folder" / "questions.jsonl").write_text(line)
    Image.new("RGB", (112, 112)).save(tmp_path / "my_folder" / json.loads(line)["image"])
    monkeypatch.chdir(tmp_path)
    example = doctest.DocTestParser().get_doctest(text, {}, "page", None, 0)
    assert doctest.DocTestRunner().run(example) == (0, 3)


def test_a_prompt_that_is_too_long(family: Family) -> None:
    screening = Screening()
    data = PromptDataModule(Listed([make_sample()]), prompts_per_step=1, max_bad_rows=1)
    with pytest.raises(ConfigError, match="only 0 usable rows"):
        screening.check(data, at_most(make_conversation(family), 10))
    assert screening.bad.summary("train").startswith(documented(TOO_LONG))


def test_the_source_of_the_docs_is_one() -> None:
    names: dict[str, Callable] = {}
    exec(CODE, names)  # noqa: S102
    source = names["Squares"]()
    found = [source[index] for index in range(len(source))]
    assert [sample.answer for sample in found] == ["red", "green", "blue"]
    assert all(sample.kind in source.kinds for sample in found)
    assert found[1].images[0].getpixel((0, 0)) == (0, 128, 0)
    assert usable(replace(found[0], answer="")) == UnreadableSample("square 0", "no answer")
