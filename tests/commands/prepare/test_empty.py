"""Where nothing is kept, the command says why and fails."""

import json
from pathlib import Path

import datasets
import pytest

from prepare_helpers import make_settings
from visionthink_pl.commands.prepare.empty import refuse_nothing_kept
from visionthink_pl.commands.prepare.prepare import main
from visionthink_pl.commands.prepare.record import Row
from visionthink_pl.commands.prepare.selection import select
from visionthink_pl.types import RunStopped

CONFIG = Path(__file__).parents[3] / "configs" / "prepare" / "lookcloser.yaml"

# counts at low and at high resolution, of 8; what must be said
EMPTY: list[tuple[list[tuple[int | None, int | None]], list[str]]] = [
    (
        [(0, 0), (0, 0), (3, 8)],
        ["0 of 3 samples were kept", "8 times of 8", "6 times more", "0 and 0: 2, 3 and 8: 1)"],
    ),
    ([(8, 8), (8, 8), (0, 0)], ["all 2 that", "one class (low_suffices)", "--balance false"]),
    ([(0, 8), (7, 8)], ["all 1 that", "one class (needs_high)", "--balance false"]),
    ([(None, None)], ["0 of 1 samples were kept: none could be counted"]),
]


def said(tmp_path: Path, counts: list[tuple[int | None, int | None]], **options) -> int:
    """How many samples were kept."""
    settings = make_settings(tmp_path, rollouts=8, gain=6, **options)
    rows = {i: Row(i, str(i), low=low, high=high) for i, (low, high) in enumerate(counts)}
    selection = select(rows.values(), settings)
    refuse_nothing_kept(selection, rows, settings)
    return len(selection.kept)


@pytest.mark.parametrize(("counts", "parts"), EMPTY)
def test_why(tmp_path: Path, counts: list[tuple[int | None, int | None]], parts: list[str]) -> None:
    with pytest.raises(RunStopped) as stopped:
        said(tmp_path, counts)
    assert all(part in str(stopped.value) for part in parts), str(stopped.value)


def test_what_is_kept_is_not_refused(tmp_path: Path) -> None:
    assert said(tmp_path, [(8, 8), (0, 8), (0, 0)]) == 2
    assert said(tmp_path, [(8, 8), (8, 8)], balance=False) == 2


def test_the_command_writes_everything_and_exits_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The drawn samples, answered by a token each: nothing is ever correct."""
    added = ["--data.init_args.length=3", "--max_new_tokens=1", "--rollouts=6"]
    assert main(["--config", str(CONFIG), f"--out={tmp_path}", *added]) == 1
    err = capsys.readouterr().err.splitlines()[-1]
    assert err.startswith("error: 0 of 3 samples were kept") and "0 and 0: 3)" in err
    assert json.loads((tmp_path / "summary.json").read_text())["dropped"] == 3
    assert (tmp_path / "histogram.png").is_file()
    assert len(datasets.load_from_disk(tmp_path / "dataset")) == 0
