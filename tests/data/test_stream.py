"""Streams: what is read, in which order, and that a run that goes on misses nothing."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from table_helpers import stored, write_jsonl, write_parquet
from visionthink_pl import images
from visionthink_pl.data import Columns, PromptDataModule, VQAStream
from visionthink_pl.data.batches import StreamBatches
from visionthink_pl.data.columns import RowReader
from visionthink_pl.data.share import Share
from visionthink_pl.types import ConfigError, PromptBatch, UnreadableSample, VQASample

ROWS = 23


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Two files of together 23 rows; the third row's kind is another."""
    kinds = ["a", "b", "other", *"ab" * 10]
    rows = [
        {"question": f"{i}?", "answer": "7", "image": stored("red"), "topic": kinds[i], "name": i}
        for i in range(ROWS)
    ]
    write_parquet(tmp_path / "1.parquet", rows[:9])
    write_parquet(tmp_path / "2.parquet", rows[9:])
    return str(tmp_path / "*.parquet")


def stream(path: str, block: int = 5, **options: Any) -> VQAStream:
    return VQAStream(path, ["vqa"], block=block, **options)


def numbers(found: Any) -> list[int]:
    return [int(row.question[:-1]) for row, _ in found]


@pytest.mark.parametrize("block", [1, 5, 23, 100])
def test_every_row_once_and_in_order_where_nothing_is_shuffled(path: str, block: int) -> None:
    assert numbers(stream(path, block).read(None, 0, None)) == list(range(ROWS))


def test_blocks_are_shuffled_by_seed_and_epoch(path: str) -> None:
    orders = {
        (seed, epoch): numbers(stream(path).read(seed, epoch, None))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(set(map(tuple, orders.values()))) == 4
    for order in orders.values():
        for start in range(0, ROWS, 5):
            assert sorted(order[start : start + 5]) == list(range(start, min(start + 5, ROWS)))
    assert orders[0, 0] == numbers(stream(path).read(0, 0, None))
    moved = [n % 5 for n in orders[0, 0][:20]]
    assert moved[:5] != moved[5:10]  # each block has a permutation of its own


@pytest.fixture(params=["parquet", "lines", "lists"])
def any_path(request: pytest.FixtureRequest, path: str, tmp_path: Path) -> str:
    """Two files of together 23 rows, of each form."""
    if request.param == "parquet":
        return path
    rows = [
        {"question": f"{i}?", "answer": "7", "image": str(tmp_path / "red.png")}
        for i in range(ROWS)
    ]
    (tmp_path / "red.png").write_bytes(stored("red")["bytes"])
    for name, part in (("1", rows[:9]), ("2", rows[9:])):
        if request.param == "lines":
            write_jsonl(tmp_path / f"{name}.json", part)
        else:
            (tmp_path / f"{name}.json").write_text(json.dumps(part, indent=1))
    return str(tmp_path / "*.json")


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("drawn", [0, 1, 5, 7, 9, 10, 22, 23])
def test_reading_goes_on_exactly_where_it_stopped(
    any_path: str, seed: int | None, drawn: int
) -> None:
    path = any_path
    whole = numbers(stream(path).read(seed, 2, None))
    begun = list(islice(stream(path).read(seed, 2, None), drawn))
    position = begun[-1][1] if begun else None
    assert numbers(begun) + numbers(stream(path).read(seed, 2, position)) == whole
    assert sorted(whole) == list(range(ROWS))


def test_a_stream_can_be_read_again(path: str) -> None:
    source = stream(path)
    list(islice(source.read(0, 0, None), 7))
    assert numbers(source.read(0, 1, None)) == numbers(stream(path).read(0, 1, None))


def test_a_row_of_another_kind_is_a_bad_row(path: str) -> None:
    source = VQAStream(path, ["a", "b"], Columns(kind="topic", id="name"))
    found = [row for row, _ in source.read(None, 0, None)]
    assert source.kinds == ("a", "b")
    assert found[2] == UnreadableSample("2", "kind not among kinds: 'other'")
    assert sum(isinstance(row, VQASample) for row in found) == ROWS - 1
    assert [row.id for row in found[:2]] == ["0", "1"]
    assert next(stream(path).read(None, 0, None))[0].id == "row 0"


def test_a_jsonl_file_is_streamed_too(tmp_path: Path) -> None:
    rows = [{"question": f"{i}?", "answer": i, "image": "nowhere.png"} for i in range(3)]
    found = list(stream(write_jsonl(tmp_path / "q.jsonl", rows)).read(None, 0, None))
    assert [row for row, _ in found] == [
        UnreadableSample(
            f"row {i}",
            f"image file is missing: {Path.cwd() / 'nowhere.png'} (looked up in image_folder)",
        )
        for i in range(3)
    ]


def test_a_line_that_is_no_row_stops_a_stream_at_its_start_and_is_a_bad_row_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = '{"question": "1?", "answer": "7", "image": "nowhere.png"}\n'
    (tmp_path / "q.jsonl").write_text(row * 2 + "{]\n" + row)
    with pytest.raises(ConfigError, match="VQAStream.path: one of the first rows: not JSON"):
        stream(str(tmp_path / "q.jsonl"))
    (tmp_path / "q.json").write_text("[{]")
    with pytest.raises(ConfigError, match="VQAStream.path: one of the first rows: "):
        stream(str(tmp_path / "q.json"))
    monkeypatch.setattr("visionthink_pl.data.stream.FIRST_ROWS", 2)
    found = [row for row, _ in stream(str(tmp_path / "q.jsonl")).read(None, 0, None)]
    assert [row.id for row in found] == ["row 0", "row 1", "row 2", "row 3"]
    assert [row.reason.partition(":")[0] for row in found[1:3]] == [
        "image file is missing",
        "not JSON",
    ]


REFUSED = [
    ({"kinds": []}, "VQAStream.kinds: every kind"),
    ({"kinds": ["a", "b"]}, "VQAStream.kinds: every kind that columns.kind holds, or one kind"),
    ({"columns": Columns(answer="solution")}, "VQAStream.columns: answer: there is no column 'sol"),
    ({"path": "nowhere.parquet"}, "VQAStream.path: there is no file or folder 'nowhere.parquet'"),
    ({"split": "validation"}, "VQAStream.split: .*; set split: train, not 'validation'"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[row[1] for row in REFUSED])
def test_what_can_t_be_streamed_is_refused(path: str, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VQAStream(**({"path": path, "kinds": ["vqa"]} | options))


def batches(path: str, seed: int | None = 0, position: Any = None) -> StreamBatches:
    return StreamBatches(stream(path), 4, seed, position)


def drawn(found: Any) -> list[list[str]]:
    return [[sample.id for sample in batch.samples] for batch in found]


def test_a_batch_that_would_be_smaller_is_left_out(path: str) -> None:
    found = drawn(batches(path, seed=None))
    assert found == [[f"row {4 * b + i}" for i in range(4)] for b in range(5)]


def test_a_stream_of_fewer_rows_than_a_batch_is_refused_and_never_spins(path: str) -> None:
    message = (
        "data.prompts_per_step: 24 prompts a step, but the stream has only 23 rows; set "
        "data.prompts_per_step to 23 or less"
    )
    over = {"epoch": 0, "stream": list(stream(path).read(0, 0, None))[-1][1]}
    for position in (None, over):
        with pytest.raises(ConfigError, match=f"^{message}$"):
            list(StreamBatches(stream(path), ROWS + 1, 0, position))
    assert len(list(StreamBatches(stream(path), ROWS, 0, None))) == 1


@pytest.mark.parametrize("ranks", [2, 3])
def test_each_rank_makes_its_share_and_passes_the_rest_by(
    path: str, ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bytes] = []

    def decode(source: Any) -> Image.Image:
        made.append(source)
        return images.decode(source)

    columns = Columns(kind="topic")
    monkeypatch.setattr("visionthink_pl.data.columns.RowReader.read", reading(decode))
    loaders = [
        StreamBatches(VQAStream(path, ["a", "b"], columns, block=5), 4, 1, None, Share(r, ranks))
        for r in range(ranks)
    ]
    shares = []
    for loader in loaders:
        made.clear()
        shares.append(list(loader))
        rows = sum(len(batch.samples) + len(batch.unreadable) for batch in shares[-1])
        assert len(made) == rows < 20
    whole = list(StreamBatches(VQAStream(path, ["a", "b"], columns, block=5), 4, 1, None))
    for number, batch in enumerate(whole):
        parts = [share[number] for share in shares]
        assert [sample.id for part in parts for sample in part.samples] == ids_of(batch)
        assert [bad for part in parts for bad in part.unreadable] == batch.unreadable
        assert all(part.position == batch.position for part in parts)
    assert sum(len(batch.unreadable) for batch in whole) == 1


def reading(decode: Any) -> Any:
    """``RowReader.read`` with another decoder."""
    read = RowReader.read
    return lambda reader, name, row, see=decode: read(reader, name, row, see)


def ids_of(batch: PromptBatch) -> list[str]:
    return [sample.id for sample in batch.samples]


def used(loader: StreamBatches, count: int = 99) -> list[list[str]]:
    """The next batches of an epoch, each marked as used."""
    found = []
    for batch in islice(loader, count):
        loader.position = batch.position
        found.append(batch)
    return drawn(found)


def test_each_epoch_has_an_order_of_its_own(path: str) -> None:
    loader = batches(path)
    epochs = [used(loader) for _ in range(3)]
    assert len({str(epoch) for epoch in epochs}) == 3
    assert epochs[0] == drawn(batches(path))
    assert epochs[1][:2] == used(
        batches(path, position={"epoch": 0, "stream": at_the_end(path)}), 2
    )


def at_the_end(path: str) -> Any:
    return list(batches(path))[-1].position["stream"]


def test_what_was_fetched_and_dropped_counts_for_nothing(path: str) -> None:
    loader = batches(path)
    first = used(loader, 2)
    next(iter(loader))  # the first batch of another epoch, fetched ahead
    other = batches(path)
    assert used(other, 5)[:2] == first
    assert used(loader) == used(other)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_resumed_loader_yields_what_was_left_and_then_epochs_anew(path: str, count: int) -> None:
    whole = batches(path)
    expected = [used(whole) for _ in range(2)]
    position = list(batches(path))[count - 1].position
    resumed = batches(path, position=position)
    next(iter(resumed))  # fetched ahead, and dropped
    assert used(resumed) == expected[0][count:]
    assert used(resumed) == expected[1]


def test_the_datamodule_streams(path: str) -> None:
    data = PromptDataModule(train=stream(path), prompts_per_step=4, shuffle=False)
    assert data.kinds == ("vqa",)
    assert drawn(data.train_dataloader()) == drawn(batches(path, seed=None))
    assert data.state_dict() == {"train": None}  # nothing has been trained on
    data = PromptDataModule(train=stream(path), prompts_per_step=4, seed=5)
    assert drawn(data.train_dataloader()) == drawn(batches(path, seed=5))
