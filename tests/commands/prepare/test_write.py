"""The data set, read back, and the histogram."""

import io
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import datasets
import pytest
from PIL import Image

from prepare_helpers import FakeCount, Listed, make_settings
from visionthink_pl.commands.prepare import write
from visionthink_pl.commands.prepare.classify import Verdict
from visionthink_pl.commands.prepare.count import count_all
from visionthink_pl.commands.prepare.histogram import differences, draw_histogram
from visionthink_pl.commands.prepare.record import Record, Row
from visionthink_pl.commands.prepare.selection import Selection, select
from visionthink_pl.commands.prepare.settings import Settings
from visionthink_pl.commands.prepare.write import write_dataset
from visionthink_pl.data import LookCloser, SavedDataset
from visionthink_pl.images import PixelLimits, decode
from visionthink_pl.types import ConfigError, VQASample

OF_PREPARE = ["original_answer", "solution", "info", "correct_low", "correct_high"]


def selected(settings: Settings, folder: Path) -> Selection:
    record = Record(folder, {})
    count_all(settings, FakeCount(), record, report=lambda rows: None)
    return select(record.rows.values(), settings)


def test_the_columns_read_back(tmp_path: Path) -> None:
    source = LookCloser(20)
    settings = make_settings(tmp_path, data=source, balance=False)
    write_dataset(tmp_path / "dataset", selected(settings, tmp_path), settings)
    read = datasets.load_from_disk(tmp_path / "dataset")
    assert read.column_names == list(write.FEATURES) and len(read) == 20
    for index, row in enumerate(read):
        sample = source[index]
        assert row["problem"] == f"<image>\n{sample.question}"
        assert row["original_answer"] == row["solution"] == sample.answer
        assert set(row["images"]) == {"bytes", "path"} and row["images"]["path"] is None
        assert decode(row["images"]["bytes"]).tobytes() == sample.images[0].tobytes()
        needs = sample.needs_second_look
        assert row["info"] == {"tgt_width": 56, "tgt_height": 56, "use_tool": needs}
        assert (row["doc_id"], row["data_source"]) == (sample.id, sample.kind)
        assert (row["correct_low"], row["correct_high"]) == ((0, 2) if needs else (2, 2))


def test_training_reads_what_was_written(tmp_path: Path) -> None:
    source = LookCloser(20)
    settings = make_settings(tmp_path, data=source, balance=False)
    write_dataset(tmp_path / "dataset", selected(settings, tmp_path), settings)
    read = SavedDataset(str(tmp_path / "dataset"))
    assert len(read) == len(source)
    for index in range(len(read)):
        found, sample = read[index], replace(source[index], extra_kinds=())
        assert replace(found, images=sample.images, extra={}) == sample
        assert found.images[0].tobytes() == sample.images[0].tobytes()
        assert list(found.extra) == OF_PREPARE


EXTRA = {
    "difficulty": 3,
    "box": [1, 2.5],
    "from": {"page": None},
    "text": "\ud83d\u00e9",
    "ok": True,
}


def test_other_columns_are_read_back(tmp_path: Path) -> None:
    drawn, day = LookCloser(4), datetime(2020, 1, 31)
    extras = [EXTRA, {"solution": "a long one", "day": day}, {"difficulty": "hard"}, {}]
    samples = [replace(drawn[i], extra=extra) for i, extra in enumerate(extras)]
    settings = make_settings(tmp_path, data=Listed(samples), balance=False)
    write_dataset(tmp_path / "dataset", selected(settings, tmp_path), settings)
    read = SavedDataset(str(tmp_path / "dataset"))
    extras[1]["day"] = "2020-01-31 00:00:00"  # which JSON lacks
    for index, extra in enumerate(extras):
        found = dict(read[index].extra)
        assert {name: found[name] for name in extra} == extra
        assert found.keys() == {*OF_PREPARE, *extra}
    assert read[3].extra["solution"] == drawn[3].answer  # as ``prepare`` writes it
    assert write.PREPARED not in read[0].extra


def test_they_survive_being_prepared_twice(tmp_path: Path) -> None:
    data = Listed([replace(LookCloser(4)[0], extra=EXTRA)])
    for number in (1, 2):
        settings = make_settings(tmp_path, data=data, balance=False)
        write_dataset(tmp_path / f"{number}", selected(settings, tmp_path / f"c{number}"), settings)
        data = SavedDataset(str(tmp_path / f"{number}"))
        assert {name: data[0].extra[name] for name in EXTRA} == EXTRA


def test_all_truths_are_read_back(tmp_path: Path) -> None:
    drawn = LookCloser(4)
    samples = [replace(drawn[0], other_answers=("one", "1.0")), drawn[1]]
    settings = make_settings(tmp_path, data=Listed(samples), balance=False)
    write_dataset(tmp_path / "dataset", selected(settings, tmp_path), settings)
    (first, second), read = (
        datasets.load_from_disk(tmp_path / "dataset"),
        SavedDataset(str(tmp_path / "dataset")),
    )
    assert first["answers"] == [drawn[0].answer, "one", "1.0"]
    assert first["original_answer"] == first["solution"] == drawn[0].answer
    assert second["answers"] == [drawn[1].answer]
    assert [read[i].answers for i in (0, 1)] == [sample.answers for sample in samples]


def test_images_can_be_read_as_images(tmp_path: Path) -> None:
    """As the published loader takes them."""
    settings = make_settings(tmp_path)
    write_dataset(tmp_path / "dataset", selected(settings, tmp_path), settings)
    read = datasets.load_from_disk(tmp_path / "dataset").cast_column("images", datasets.Image())
    assert isinstance(read[0]["images"], Image.Image) and read[0]["images"].size == (112, 112)


def test_the_low_resolution_is_half_of_what_the_limits_leave(tmp_path: Path) -> None:
    """100 x 60 pixels are shrunk to 50 x 30, whose half is 25 x 15; the image stays whole."""
    sample = replace(LookCloser(20)[0], images=(Image.new("RGB", (100, 60)),))
    limits = PixelLimits(max_pixels=1500)
    settings = make_settings(tmp_path, data=Listed([sample]), balance=False, limits=limits)
    write_dataset(tmp_path / "dataset", selected(settings, tmp_path), settings)
    (row,) = datasets.load_from_disk(tmp_path / "dataset")
    assert (row["info"]["tgt_width"], row["info"]["tgt_height"]) == (25, 15)
    assert Image.open(io.BytesIO(row["images"]["bytes"])).size == (100, 60)


def test_nothing_kept_is_a_data_set_too(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, data=Listed([]))
    write_dataset(tmp_path / "dataset", selected(settings, tmp_path), settings)
    read = datasets.load_from_disk(tmp_path / "dataset")
    assert len(read) == 0 and read.column_names == list(write.FEATURES)


class KilledAt(LookCloser):
    """Somebody presses Ctrl-C when this row is read."""

    def __init__(self, length: int, index: int) -> None:
        super().__init__(length)
        self._at = index

    def __getitem__(self, index: int) -> VQASample:
        if index == self._at:
            raise KeyboardInterrupt
        return super().__getitem__(index)


def test_a_kill_while_writing_leaves_the_data_set_that_was_there(tmp_path: Path) -> None:
    settings, folder = make_settings(tmp_path), tmp_path / "dataset"
    selection = selected(settings, tmp_path)
    write_dataset(folder, selection, settings)
    before = len(datasets.load_from_disk(folder))
    killed = make_settings(tmp_path, data=KilledAt(20, selection.kept[-1].index))
    with pytest.raises(KeyboardInterrupt):
        write_dataset(folder, selection, killed)
    assert len(datasets.load_from_disk(folder)) == before
    write_dataset(folder, selection, settings)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "counts.jsonl",
        "dataset",
        "settings.json",
    ]


def test_an_image_that_changed_since_it_was_counted_is_refused(tmp_path: Path) -> None:
    selection = selected(make_settings(tmp_path), tmp_path)
    changed = make_settings(tmp_path, data=LookCloser(20, seed=1))
    with pytest.raises(ConfigError, match=r"data: sample 0 .* has changed since"):
        write_dataset(tmp_path / "dataset", selection, changed)
    assert not (tmp_path / "dataset").exists()


def test_differences_by_class() -> None:
    rows = {i: Row(i, str(i), low=low, high=8) for i, low in enumerate((8, 0, 2, 3, 3))}
    needs, dropped = Verdict.NEEDS_HIGH, Verdict.DROPPED
    verdicts = dict(enumerate((Verdict.LOW_SUFFICES, needs, needs, dropped, dropped)))
    assert differences(rows, verdicts) == {
        Verdict.LOW_SUFFICES: Counter({0: 1}),
        needs: Counter({8: 1, 6: 1}),
        dropped: Counter({5: 2}),
    }


@pytest.mark.parametrize("rollouts", [1, 8, 40])
def test_the_histogram_is_a_picture(tmp_path: Path, rollouts: int) -> None:
    found = {verdict: Counter({0: 3, rollouts: 2}) for verdict in Verdict}
    draw_histogram(tmp_path / "histogram.png", found, rollouts, gain=1)
    with Image.open(tmp_path / "histogram.png") as picture:
        assert picture.size == (800, 450)
    assert [path.name for path in tmp_path.iterdir()] == ["histogram.png"]
