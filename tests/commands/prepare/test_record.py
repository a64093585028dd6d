"""The counts on disk: incomplete lines, other settings, and resuming from any point."""

import contextlib
import json
from pathlib import Path

import pytest

from prepare_helpers import FakeCount, make_settings
from visionthink_pl.commands.prepare.count import count_all
from visionthink_pl.commands.prepare.record import Record, Row
from visionthink_pl.data import LookCloser
from visionthink_pl.types import ConfigError

SETTINGS = {"rollouts": 8, "data.class_path": "LookCloser"}
ROWS = [Row(0, "a", digest="d", phash="0f", low=8, high=8), Row(1, "ü", unreadable="no image")]


def test_rows_come_back(tmp_path: Path) -> None:
    Record(tmp_path, SETTINGS).append(ROWS)
    assert list(Record(tmp_path, SETTINGS).rows.values()) == ROWS


def test_a_later_line_of_a_sample_replaces_the_earlier(tmp_path: Path) -> None:
    record = Record(tmp_path, SETTINGS)
    record.append([Row(0, "a", low=None, high=8)])
    record.append([Row(0, "a", low=7, high=8)])
    assert record.rows[0].low == Record(tmp_path, SETTINGS).rows[0].low == 7


@pytest.mark.parametrize("left", [1, 20, -1])
def test_an_incomplete_last_line_is_cut_off(tmp_path: Path, left: int) -> None:
    Record(tmp_path, SETTINGS).append(ROWS)
    file = tmp_path / "counts.jsonl"
    first, second, _ = file.read_bytes().split(b"\n")
    file.write_bytes(first + b"\n" + second[:left])
    assert list(Record(tmp_path, SETTINGS).rows.values()) == ROWS[:1]
    assert file.read_bytes() == first + b"\n"


@pytest.mark.parametrize("line", ["{", "[]", '{"index": 0}', '{"index": 0, "id": "a", "x": 1}'])
def test_an_invalid_complete_line_is_refused(tmp_path: Path, line: str) -> None:
    Record(tmp_path, SETTINGS)
    (tmp_path / "counts.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"counts.jsonl:1 is not a line of counts"):
        Record(tmp_path, SETTINGS)


OTHERWISE = [
    (SETTINGS | {"rollouts": 4}, r"\(rollouts: 8, now 4\)"),
    (SETTINGS | {"limits.max_pixels": 9}, r"\(limits.max_pixels: None, now 9\)"),
    ({"rollouts": 8}, r"\(data.class_path: 'LookCloser', now None\)"),
]


@pytest.mark.parametrize(("settings", "phrase"), OTHERWISE)
def test_other_settings_are_refused(tmp_path: Path, settings: dict, phrase: str) -> None:
    Record(tmp_path, SETTINGS).append(ROWS)
    with pytest.raises(ConfigError, match=phrase + "; set them back, or choose another out folder"):
        Record(tmp_path, settings)


def test_counts_without_their_settings_are_refused(tmp_path: Path) -> None:
    Record(tmp_path, SETTINGS).append(ROWS)
    (tmp_path / "settings.json").unlink()
    with pytest.raises(ConfigError, match=r"holds a counts.jsonl, but no settings.json"):
        Record(tmp_path, SETTINGS)


def test_settings_may_change_until_something_is_counted(tmp_path: Path) -> None:
    """A model that could not be loaded, say, leaves nothing that would have to be removed."""
    Record(tmp_path, SETTINGS)
    Record(tmp_path, {"rollouts": 4}).append(ROWS)
    assert list(Record(tmp_path, {"rollouts": 4}).rows.values()) == ROWS


def counted(folder: Path, count: FakeCount, **options) -> bytes:
    """Count in ``folder`` until it is done or killed; return the record's bytes."""
    settings = make_settings(folder, data=LookCloser(18), **options)
    with contextlib.suppress(KeyboardInterrupt):
        count_all(settings, count, Record(folder, SETTINGS), report=lambda rows: None)
    return (folder / "counts.jsonl").read_bytes()


@pytest.mark.parametrize("batches", [1, 3, 4])
def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path, batches: int) -> None:
    whole = counted(tmp_path / "whole", FakeCount())
    assert counted(tmp_path / "killed", FakeCount(stop_after=batches)) != whole
    rest = FakeCount()
    assert counted(tmp_path / "killed", rest) == whole
    assert len(rest.asked) == 5 - batches  # 18 samples by 4


@pytest.mark.parametrize("kept", [3, 200, 1000, 2000])
def test_a_record_cut_anywhere_resumes_to_the_same_bytes(tmp_path: Path, kept: int) -> None:
    whole = counted(tmp_path, FakeCount())
    assert kept < len(whole)
    (tmp_path / "counts.jsonl").write_bytes(whole[:kept])
    lines = whole[:kept].count(b"\n")
    rest = FakeCount()
    assert counted(tmp_path, rest) == whole
    assert rest.asked[0][0] == json.loads(whole.split(b"\n")[lines // 4 * 4])["id"]
    assert [len(batch) for batch in rest.asked[:-1]] == [4] * (len(rest.asked) - 1)


def test_a_finished_record_asks_for_nothing(tmp_path: Path) -> None:
    whole = counted(tmp_path, FakeCount())
    again = FakeCount()
    assert counted(tmp_path, again) == whole and again.asked == []
