"""Tables of the hub, of files and of folders."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Json, LargeList, List, Value
from datasets import Image as ImageFeature

from table_helpers import both, png, stored, write_jsonl, write_parquet
from visionthink_pl.data import Columns, SavedDataset, VQADataset, VQAStream
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


ODD = ["1", "true", "null", "[1]", '"1"', "007", "1.0", "2020-01-01", "NaN", "a\u2028b", "cat"]


def mixed(folder: Path, options: list[Any], answers: list[Any], **more: Any) -> list[dict]:
    (folder / "x.png").write_bytes(png("red"))
    row = {"image": str(folder / "x.png"), "question": "Which?", "options": options} | more
    return [row | {"answer": answer} for answer in answers]


@pytest.mark.parametrize("form", ["lines", "list", "folder"])
def test_text_is_text_and_a_number_an_index_whatever_else_the_column_holds(
    tmp_path: Path, form: str
) -> None:
    """One number anywhere makes ``datasets`` take "1" and 1 for the same."""
    rows = mixed(tmp_path, ["1", "2", "3"], ["1", "2", 1, 2, "3"])
    path = write_jsonl(tmp_path / "q.jsonl", rows)
    if form == "list":
        path = str(tmp_path / "q.json")
        Path(path).write_text(json.dumps(rows, indent=2))
    if form == "folder":
        (tmp_path / "train").mkdir()
        write_jsonl(tmp_path / "train" / "train.jsonl", rows)
        path = str(tmp_path / "train")
    answers = [row.answer for row in both(path, Columns(choices="options"))]
    assert answers == ["A. 1", "B. 2", "B. 2", "C. 3", "C. 3"]


@pytest.mark.parametrize("number", [2, None], ids=["with a number", "texts alone"])
def test_texts_that_look_like_something_else_stay_texts(tmp_path: Path, number: Any) -> None:
    path = write_jsonl(tmp_path / "q.jsonl", mixed(tmp_path, [], [*ODD, number]))
    expected = [*ODD, "2" if number else ""]
    assert [row.answer for row in both(path)] == expected
    asked = [{"image": str(tmp_path / "x.png"), "question": q, "answer": q} for q in [*ODD, number]]
    found = both(write_jsonl(tmp_path / "asked.jsonl", asked))
    assert [row.question for row in found[:-1]] == ODD
    assert found[-1].reason == ("question is no text: 2" if number else "empty question")


def test_options_and_names_that_look_like_something_else_stay_texts(tmp_path: Path) -> None:
    rows = mixed(tmp_path, ["1", "true", "null"], ["null"])
    rows += mixed(tmp_path, ["1", 2], ["1"]) + mixed(tmp_path, ["1", "x"], ["1"])
    for row, name in zip(rows, ("007", 7, "1.0"), strict=True):
        row["name"] = name
    columns = Columns(choices="options", id="name")
    first, second, third = both(write_jsonl(tmp_path / "q.jsonl", rows), columns)
    assert (first.id, first.answer) == ("007", "C. null")
    assert second == UnreadableSample("7", "option is no text: 2")
    assert (third.id, third.answer) == ("1.0", "A. 1")


def test_a_number_that_comes_late_is_a_number(tmp_path: Path) -> None:
    """``datasets`` reads ten megabytes at once, and makes the rest be of the same types."""
    rows = mixed(tmp_path, ["1", "2"], ["1"] * 22, note="x" * 500_000)
    rows[-1]["answer"] = 0
    path = write_jsonl(tmp_path / "q.jsonl", rows)
    assert Path(path).stat().st_size > 10 << 20
    assert VQADataset(path, Columns(choices="options"))[21].answer == "A. 1"
    late = VQAStream(path, ["vqa"], Columns(choices="options")).read(None, 0, None)
    assert [row.answer for row, _ in late] == ["A. 1"] * 22
    rows[0]["answer"], rows[-1]["answer"] = 1, "1"
    source = VQADataset(write_jsonl(tmp_path / "q.jsonl", rows), Columns(choices="options"))
    assert [source[i].answer for i in (0, 21)] == ["B. 2", "A. 1"]


def test_a_table_that_was_stored_mixed_is_refused(tmp_path: Path) -> None:
    made = Dataset.from_list(rows(2)).add_column("mixed", ["1", "x"])
    path = str(tmp_path / "a.parquet")
    made.cast_column("mixed", Json()).to_parquet(path)
    assert both(path)[0].answer == "0"  # where nothing reads that column
    for load in (VQADataset, lambda path, columns: VQAStream(path, ["vqa"], columns)):
        with pytest.raises(ConfigError, match=r"\.columns: answer: the column 'mixed' is stored"):
            load(path, Columns(answer="mixed"))


def test_lines_that_hold_nothing_are_no_rows(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in mixed(tmp_path, [], ["a", "b"])]
    (tmp_path / "q.jsonl").write_text(f"\ufeff{lines[0]}\r\n \n{lines[1]}\n\n", encoding="utf-8")
    assert [row.id for row in both(str(tmp_path / "q.jsonl"))] == ["row 0", "row 1"]


def test_a_part_of_a_file(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "q.jsonl", mixed(tmp_path, [], ["a", "b", "c"]))
    assert len(VQADataset(path, split="train[:2]")) == 2
    (tmp_path / "q.json").write_text(json.dumps(mixed(tmp_path, [], ["a", "b", "c"])))
    with pytest.raises(ConfigError, match=r"VQADataset.split: a part \('train\[:2\]'\) can't"):
        VQADataset(str(tmp_path / "q.json"), split="train[:2]")


def test_fields_of_objects_are_known_before_a_row_is_read(tmp_path: Path) -> None:
    made = mixed(tmp_path, [], ["a", "b"], info={"kind": "k"}) + mixed(tmp_path, [], ["c"])
    path = write_jsonl(tmp_path / "q.jsonl", made)
    source = VQADataset(path, Columns(kind="info.kind"))
    assert source.kinds == ("k",) and source[2] == UnreadableSample("row 2", "no kind")
    for wrong, message in (
        ("info.kidn", "no field 'kidn' in 'info.kidn'; the fields are kind"),
        ("answer.kind", "'answer' is no struct"),
        ("topic", "no column 'topic'; the columns are image, question, options, info, answer"),
    ):
        with pytest.raises(ConfigError, match=f"VQADataset.columns: kind: .*{message}"):
            VQADataset(path, Columns(kind=wrong))
        with pytest.raises(ConfigError, match=f"VQAStream.columns: kind: .*{message}"):
            VQAStream(path, ["k"], Columns(kind=wrong))


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


@pytest.mark.parametrize("large", [False, True])
def test_a_list_of_class_labels_is_read_by_their_names(tmp_path: Path, large: bool) -> None:
    labels = ClassLabel(names=["cat", "dog"])
    answers: list[Any] = [[1, 1, 0], [1], [-1, 0], [-1], [], None, [None, 1]]
    made = [row | {"answer": a} for row, a in zip(rows(7), answers, strict=True)]
    kind = LargeList(labels) if large else List(labels)
    features = Dataset.from_list(rows(1)).features | {"answer": kind}
    path = write_parquet(tmp_path / "a.parquet", made, features)
    given = [("dog", "cat"), ("dog",), ("", "cat"), ("",), ("",), ("",), ("", "dog")]
    assert [row.answers for row in both(path)] == given  # a blank among several is a bad row


def test_a_class_label_within_a_struct_and_beside_options(tmp_path: Path) -> None:
    info = {"label": ClassLabel(names=["cat", "dog"])}
    made = [
        row | {"info": {"label": 1}, "options": ["dog", "cat"], "label": [1]} for row in rows(1)
    ]
    features = Dataset.from_list(rows(1)).features | {
        "info": info,
        "options": List(Value("string")),
        "label": List(info["label"]),
    }
    path = write_parquet(tmp_path / "a.parquet", made, features)
    assert both(path, Columns(answer="info.label"))[0].answer == "dog"
    for column in ("info.label", "label"):  # a name, where an index would mean the cat
        found = both(path, Columns(answer=column, choices="options"))
        assert found[0].answer == "A. dog"


def test_a_class_label_without_a_name_is_a_bad_row(tmp_path: Path) -> None:
    made = Dataset.from_list([row | {"answer": 5, "topic": i} for i, row in enumerate(rows(2))])
    info = made.info.copy()
    path = str(tmp_path / "a.parquet")
    labels = {"answer": ClassLabel(names=["cat", "dog"]), "topic": ClassLabel(names=["chart"])}
    info.features = Features(made.features | labels)
    Dataset(made.data, info=info).to_parquet(path)
    reason = "class label without a name: "
    answers = both(path)
    assert [row.reason for row in answers] == [f"{reason}5; there are 2"] * 2
    kinds = both(path, Columns(answer=None, kind="topic"), ["chart"])
    assert kinds[0].kind == "chart"
    assert kinds[1] == UnreadableSample("row 1", f"{reason}1; there are 1")
    assert VQADataset(path, Columns(answer=None, kind="topic")).kinds == ("chart",)


KINDS = [
    (None, None, "null"),
    ("", None, "empty"),
    (" \n\u3000", None, "blank, a wide blank of Japanese among it"),
    ("chart", "chart", "a text"),
    (" chart", " chart", "blanks around a text are left as they are"),
    (7, "7", "a number"),
    (0, "0", "a number that is false as a truth value"),
    (False, "False", "a truth value"),
    (["chart"], None, "a list"),
    ({"a": 1}, None, "a struct"),
]


@pytest.mark.parametrize(("kind", "text", "why"), KINDS, ids=[row[2] for row in KINDS])
def test_kinds(tmp_path: Path, kind: Any, text: str | None, why: str) -> None:
    made = mixed(tmp_path, [], ["a"], topic=kind) + mixed(tmp_path, [], ["b"], topic="k")
    path = write_jsonl(tmp_path / "q.jsonl", made)
    first, second = both(path, Columns(kind="topic"), ["k", str(text)])
    source = VQADataset(path, Columns(kind="topic"))
    assert second.kind == "k"
    if text is None:
        assert first.reason.startswith(
            "kind is no text" if isinstance(kind, list | dict) else "no kind"
        ), why
        assert source.kinds == ("k",)  # no metrics are made for a kind without a name
    else:
        assert first.kind == text and source.kinds == (text, "k"), why


def test_a_kind_of_32_bits_has_its_own_digits(tmp_path: Path) -> None:
    made = [row | {"topic": 0.1} for row in rows(1)]
    features = Dataset.from_list(rows(1)).features | {"topic": Value("float32")}
    path = write_parquet(tmp_path / "a.parquet", made, features)
    assert both(path, Columns(kind="topic"), ["0.1"])[0].kind == "0.1"
    assert VQADataset(path, Columns(kind="topic")).kinds == ("0.1",)


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


def test_rows_without_an_id_go_by_their_number(tmp_path: Path) -> None:
    made = [row | {"name": name} for row, name in zip(rows(4), ("a", None, " ", "b"), strict=True)]
    source = VQADataset(write_parquet(tmp_path / "a.parquet", made), Columns(id="name"))
    assert [source[i].id for i in range(4)] == ["a", "row 1", "row 2", "b"]


def test_the_hub_is_asked_for_what_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def load(path: str, **arguments: Any) -> Dataset:
        calls.append((path, arguments))
        return Dataset.from_list(rows())

    def build(path: str, **arguments: Any) -> Any:
        calls.append((path, arguments))
        return SimpleNamespace(name=kind, info=SimpleNamespace(features=None))

    monkeypatch.setattr("visionthink_pl.data.loading.load_dataset", load)
    monkeypatch.setattr("visionthink_pl.data.loading.load_dataset_builder", build)
    kind = "parquet"
    source = VQADataset("someone/vqa.set", split="train[:3]", config="small", revision="abc")
    named = ("someone/vqa.set", {"name": "small", "revision": "abc"})
    assert calls == [named, (named[0], named[1] | {"split": "train[:3]", "streaming": False})]
    assert len(asked(source)) == 3
    kind = "csv"
    with pytest.raises(ConfigError, match="VQADataset.path: 'someone/vqa.set' holds CSV"):
        VQADataset("someone/vqa.set")


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


NOTHING = "there is no file or folder"


def test_what_can_t_be_loaded_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"question": "a"}\n{"question"\n')
    (tmp_path / "empty.jsonl").write_text("")
    listed = tmp_path / "listed.jsonl"
    listed.write_text("3\n")
    sheet = tmp_path / "t.csv"
    sheet.write_text("question,answer,image\nWhich?,007,a.png\n")
    (tmp_path / "sheets").mkdir()
    (tmp_path / "sheets" / "train.csv").write_text(sheet.read_text())
    good = write_jsonl(tmp_path / "good.jsonl", rows(0) + [{"question": "a", "answer": "b"}])
    Dataset.from_list(rows()).save_to_disk(tmp_path / "saved")
    refused = [
        (str(tmp_path / "nowhere.jsonl"), {}, f"VQADataset.path: {NOTHING} '.*nowhere.jsonl'$"),
        ("nowhere.csv", {}, f"VQADataset.path: {NOTHING} 'nowhere.csv'$"),
        ("./nowhere", {}, f"VQADataset.path: {NOTHING} './nowhere'$"),
        ("~/nowhere", {}, f"VQADataset.path: {NOTHING} '/.*/nowhere'$"),
        ("my/data/train", {}, f"VQADataset.path: {NOTHING} 'my/data/train'$"),
        ("some/one", {}, "VQADataset.path: can't load 'some/one'"),  # may be on the hub
        (str(sheet), {}, "VQADataset.path: '.*t.csv': a .csv is not read; .parquet, .jsonl and"),
        ("*.csv", {}, r"VQADataset.path: '\*.csv': a .csv is not read"),
        (str(tmp_path / "sheets"), {}, "VQADataset.path: '.*sheets' holds CSV"),
        (str(broken), {}, "VQADataset.path: '.*broken.jsonl': row 1, counted from 0: not JSON"),
        (str(listed), {}, "VQADataset.path: '.*listed.jsonl': row 0, .*: no JSON object: '3'"),
        (str(tmp_path / "empty.jsonl"), {}, "VQADataset.path: '.*empty.jsonl' holds no row"),
        (str(tmp_path / "saved"), {}, "was written by save_to_disk; take SavedDataset"),
        (good, {}, "VQADataset.columns: images: there is no column 'image'"),
        (good, {"split": "test"}, "VQADataset.split: .* is a file, .*; set split: train, not 'te"),
        (good, {"split": "train[:1]+test"}, "VQADataset.split: "),
    ]
    for path, options, message in refused:
        with pytest.raises(ConfigError, match=message):
            VQADataset(path, **options)
