"""Data sets in the published format."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, DatasetDict, Features, Image, Json, List, Value
from PIL import Image as Pillow

from visionthink_pl.data import SavedDataset
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

STRUCT = {"bytes": Value("binary"), "path": Value("string")}
INFO = {"tgt_width": Value("int64"), "tgt_height": Value("int64"), "use_tool": Value("bool")}
FEATURES = {
    "problem": Value("string"),
    "original_answer": Value("string"),
    "solution": Value("string"),
    "images": STRUCT,
    "info": INFO,
    "doc_id": Value("string"),
    "data_source": Value("string"),
}


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Pillow.new("RGB", (width, height), "teal").save(buffer, format="PNG")
    return buffer.getvalue()


def row(name: str, use_tool: bool = True, **changed: Any) -> dict[str, Any]:
    return {
        "problem": "<image>\nWhich digit?",
        "original_answer": "7",
        "solution": "seven",
        "images": {"bytes": png(40, 30), "path": None},
        "info": {"tgt_width": 20, "tgt_height": 15, "use_tool": use_tool},
        "doc_id": name,
        "data_source": "chart",
    } | changed


def save(folder: Path, rows: list[dict[str, Any]], features: dict[str, Any] = FEATURES) -> str:
    columns = {name: [one[name] for one in rows] for name in features}
    data = Dataset.from_dict(columns, features=Features(features))
    data.save_to_disk(folder / "saved", num_shards=1)
    return str(folder / "saved")


@pytest.mark.parametrize("images", [STRUCT, Image(), Image(decode=False)], ids=str)
def test_a_row_becomes_a_sample(tmp_path: Path, images: Any) -> None:
    rows = [row("a"), row("b", use_tool=False, data_source="page")]
    source = SavedDataset(save(tmp_path, rows, FEATURES | {"images": images}))
    first, second = source[0], source[1]
    assert isinstance(first, VQASample) and isinstance(second, VQASample)
    assert (first.id, first.question, first.answer, first.kind) == (
        "a",
        "Which digit?",
        "7",
        "chart",
    )
    assert (first.needs_second_look, second.needs_second_look) == (True, False)
    assert first.images[0].size == (40, 30)
    assert np.asarray(first.images[0])[0, 0].tolist() == [0, 128, 128]
    assert source.kinds == ("chart", "page") and len(source) == 2


def test_info_may_be_absent(tmp_path: Path) -> None:
    features = {name: feature for name, feature in FEATURES.items() if name != "info"}
    rows = [{name: value for name, value in row("a").items() if name != "info"}]
    sample = SavedDataset(save(tmp_path, rows, features))[0]
    assert isinstance(sample, VQASample) and sample.needs_second_look is None


def test_ids_that_repeat_are_told_apart(tmp_path: Path) -> None:
    source = SavedDataset(save(tmp_path, [row("a"), row("b"), row("a")]))
    assert [source[index].id for index in range(3)] == ["a#0", "b#1", "a#2"]


BROKEN = [
    ({"bytes": b"no image", "path": None}, "can't decode the image"),
    ({"bytes": None, "path": None}, "no image"),
    (None, "no image"),
    ({"bytes": None, "path": "/nowhere.png"}, "image file is missing: /nowhere.png"),
]


@pytest.mark.parametrize(("images", "reason"), BROKEN, ids=str)
def test_an_image_that_can_t_be_read_is_reported(tmp_path: Path, images: Any, reason: str) -> None:
    found = SavedDataset(save(tmp_path, [row("a", images=images), row("b")]))[0]
    assert isinstance(found, UnreadableSample)
    assert found.id == "a" and reason in found.reason


def test_a_folder_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(save(tmp_path, [row("a")]))
    monkeypatch.setenv("HOME", str(folder.parent))
    assert SavedDataset(f"~/{folder.name}")[0].id == "a"


def test_a_column_of_answers_holds_all_truths(tmp_path: Path) -> None:
    rows = [row("a", answers=["7", "seven"]), row("b", answers=["7"])]
    features = FEATURES | {"answers": List(Value("string"))}
    source = SavedDataset(save(tmp_path, rows, features))
    assert [source[i].answers for i in (0, 1)] == [("7", "seven"), ("7",)]


def test_answers_of_which_nobody_can_tell_what_they_were_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, [row("a")], FEATURES | {"original_answer": Json()})
    with pytest.raises(ConfigError, match="answer: the column 'original_answer' is stored as Json"):
        SavedDataset(path)


def test_what_is_no_such_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="SavedDataset.folder: can't load 'nowhere'"):
        SavedDataset("nowhere")
    columns = {name: FEATURES[name] for name in ("problem", "images")}
    rows = [{name: row("a")[name] for name in columns}]
    with pytest.raises(ConfigError, match="has no column 'original_answer'"):
        SavedDataset(save(tmp_path, rows, columns))
    with pytest.raises(ConfigError, match="holds no row"):
        SavedDataset(save(tmp_path / "empty", []))
    split = Dataset.from_list([row("a")], features=Features(FEATURES))
    DatasetDict({"train": split}).save_to_disk(tmp_path / "splits")
    with pytest.raises(ConfigError, match="holds the splits train; name the folder of one"):
        SavedDataset(str(tmp_path / "splits"))
