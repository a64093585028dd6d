"""Tables of the hub, of files and of folders."""

from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, List
from datasets import Image as ImageFeature

from table_helpers import png, stored, write_jsonl, write_parquet
from visionthink_pl.data import Columns, SavedDataset, VQADataset, VQAStream, table
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample


def rows(count: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "question": f"Which, {i}?",
            "answer": str(i),
            "image": stored("teal"),
            "topic": "ab"[i % 2],
        }
        for i in range(count)
    ]


def asked(source: VQADataset) -> list[str]:
    samples = [source[index] for index in range(len(source))]
    assert all(isinstance(sample, VQASample) for sample in samples), samples
    return [sample.question for sample in samples]


def test_a_jsonl_file_with_images_beside_it(tmp_path: Path) -> None:
    (tmp_path / "teal.png").write_bytes(png("teal"))
    path = write_jsonl(tmp_path / "q.jsonl", [row | {"image": "teal.png"} for row in rows()])
    source = VQADataset(path, image_folder=str(tmp_path))
    assert asked(source) == ["Which, 0?", "Which, 1?", "Which, 2?"]
    assert source[1].images[0].getpixel((0, 0)) == (0, 128, 128)
    assert [source[index].id for index in range(3)] == ["row 0", "row 1", "row 2"]
    assert source.kinds == ("vqa",)
    assert VQADataset(path, kind="chart").kinds == ("chart",)


@pytest.mark.parametrize("feature", [ImageFeature(), ImageFeature(decode=False), None], ids=str)
def test_parquet_files_by_a_pattern(tmp_path: Path, feature: Any) -> None:
    for part in ("1", "2"):
        made = Dataset.from_list(rows())
        made = made if feature is None else made.cast_column("image", feature)
        made.to_parquet(tmp_path / f"{part}.parquet")
    source = VQADataset(str(tmp_path / "*.parquet"), Columns(kind="topic"))
    assert len(asked(source)) == 6
    assert source[3].images[0].size == (40, 30)
    assert source.kinds == ("a", "b") and source[1].kind == "b"


def test_a_list_of_images_is_read_as_it_is_stored(tmp_path: Path) -> None:
    pairs = [row | {"image": [stored("red"), stored("blue")]} for row in rows(2)]
    pairs[1]["image"][1] = {"bytes": b"no image", "path": None}
    path = write_parquet(tmp_path / "a.parquet", pairs)
    typed = Dataset.from_parquet(path).cast_column("image", List(ImageFeature()))
    typed.to_parquet(tmp_path / "b.parquet")
    for name in ("a", "b"):
        source = VQADataset(str(tmp_path / f"{name}.parquet"))
        assert [i.getpixel((0, 0)) for i in source[0].images] == [(255, 0, 0), (0, 0, 255)]
        assert source[1] == UnreadableSample("row 1", "can't decode the image: not an image")


def test_answers_of_mixed_types_in_one_file(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png("red"))
    row = {"question": "Which?", "image": str(tmp_path / "x.png")}
    mixed = [row | {"answer": answer} for answer in (1, "x", [2])]
    source = VQADataset(write_jsonl(tmp_path / "q.jsonl", mixed))
    assert [source[index].answer for index in range(3)] == ["1", "x", "2"]


def test_class_labels_are_read_by_their_names(tmp_path: Path) -> None:
    labels = [row | {"answer": i, "topic": 1 - i} for i, row in enumerate(rows(2))]
    made = Dataset.from_list([*labels, labels[0] | {"answer": -1}])
    made = made.cast_column("answer", ClassLabel(names=["yes", "no"]))
    path = str(tmp_path / "a.parquet")
    made.cast_column("topic", ClassLabel(names=["doc", "chart"])).to_parquet(path)
    source = VQADataset(path, Columns(kind="topic"))
    expected = [("yes", "chart"), ("no", "doc"), ("", "chart")]
    assert source.kinds == ("chart", "doc")
    assert [(source[i].answer, source[i].kind) for i in range(3)] == expected
    streamed = VQAStream(path, ["doc", "chart"], Columns(kind="topic")).read(None, 0, None)
    assert [(row.answer, row.kind) for row, _ in streamed] == expected


def test_whole_numbers_that_a_null_made_floats(tmp_path: Path) -> None:
    answers = [
        row | {"answer": answer} for row, answer in zip(rows(), (1.0, None, 0.5), strict=True)
    ]
    source = VQADataset(write_parquet(tmp_path / "a.parquet", answers))
    assert [source[i].answer for i in range(3)] == ["1", "", "0.5"]


def test_ids_that_repeat_get_the_number_of_the_row(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", rows())
    columns = Columns(id="topic")
    assert [VQADataset(path, columns)[i].id for i in range(3)] == ["a#0", "b#1", "a#2"]
    assert [VQADataset(path, Columns(id="answer"))[i].id for i in range(3)] == ["0", "1", "2"]


def test_the_hub_is_asked_for_what_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def load(**arguments: Any) -> Dataset:
        calls.append(arguments)
        return Dataset.from_list(rows())

    monkeypatch.setattr(table, "load_dataset", load)
    source = VQADataset("someone/vqa.set", split="train[:3]", config="small", revision="abc")
    named = {"path": "someone/vqa.set", "name": "small", "revision": "abc"}
    assert calls == [named | {"split": "train[:3]", "streaming": False}]
    assert len(asked(source)) == 3


def test_a_published_data_set_of_the_hub_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = {
        "problem": "<image>\nWhich?",
        "original_answer": "7",
        "images": stored("teal"),
        "doc_id": "a",
        "data_source": "chart",
    }
    Dataset.from_list([published]).save_to_disk(tmp_path / "snapshot")
    calls = []

    def download(name: str, **arguments: Any) -> str:
        calls.append((name, arguments))
        return str(tmp_path / "snapshot")

    monkeypatch.setattr("visionthink_pl.data.saved.snapshot_download", download)
    sample = SavedDataset("someone/published", revision="abc")[0]
    assert (sample.question, sample.answer, sample.kind) == ("Which?", "7", "chart")
    assert calls == [("someone/published", {"repo_type": "dataset", "revision": "abc"})]


def test_what_can_t_be_loaded_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"question": "a"}\n{"question"\n')
    (tmp_path / "empty.jsonl").write_text("")
    good = write_jsonl(tmp_path / "good.jsonl", rows(0) + [{"question": "a", "answer": "b"}])
    Dataset.from_list(rows()).save_to_disk(tmp_path / "saved")
    refused = [
        (str(tmp_path / "nowhere.jsonl"), {}, "VQADataset.path: can't load '.*nowhere.jsonl'"),
        (str(broken), {}, "VQADataset.path: can't load '.*broken.jsonl'"),
        (str(tmp_path / "empty.jsonl"), {}, "VQADataset.path: '.*empty.jsonl' holds no row"),
        (str(tmp_path / "saved"), {}, "was written by save_to_disk; take SavedDataset"),
        (good, {}, "VQADataset.columns: images: there is no column 'image'"),
        (good, {"split": "test"}, r"VQADataset.path: can't load .*Should be one of \['train'\]"),
    ]
    for path, options, message in refused:
        with pytest.raises(ConfigError, match=message):
            VQADataset(path, **options)
