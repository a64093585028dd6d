"""The table of the collapse map, from logs whose values are known."""

from pathlib import Path

import pandas as pd
import pytest

FINE = ("digit", "letter", "needs_second_look")
COARSE = ("colour", "shape", "count", "first_look_suffices")


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    from collapse import report

    return report


def write_run(folder: Path, fine: float, coarse: float, done: bool = True) -> None:
    """Twenty batches at 0.3, then ten at these rates, and validation at them."""
    rows: list[dict[str, float]] = []
    for step in range(30):
        rates = (fine, coarse) if step >= 20 else (0.3, 0.3)
        row = {"rollout_step": float(step)}
        for kinds, rate in zip((FINE, COARSE), rates, strict=True):
            row |= {f"train/resize_rate/{kind}": rate for kind in kinds}
        rows.append(row)
    last = {f"val/resize_rate/{kind}": fine for kind in FINE}
    rows.append({"val/accuracy": 0.75, **last} | {f"val/resize_rate/{k}": coarse for k in COARSE})
    folder.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)
    if done:
        (folder / "done").touch()


def test_a_run_is_smart_where_it_asks_for_the_fine_and_for_them_alone(
    report, tmp_path: Path
) -> None:
    ends = {"0.02-0": (0.9, 0.1), "0.02-1": (0.89, 0.0), "0.02-2": (1.0, 0.11), "0.3-0": (1, 0)}
    for name, rates in ends.items():
        write_run(tmp_path / "one" / name, *rates)
    write_run(tmp_path / "other" / "0.3-0", 0.0, 0.0)
    write_run(tmp_path / "other" / "0.3-1", 1.0, 0.0, done=False)  # is under way
    found = report.read_ends(tmp_path, ["one", "other"])
    assert list(found["smart"]) == [True, False, False, True, False]
    first = found.iloc[0]
    assert (first["start"], first["seed"], first["accuracy"]) == (0.02, 0, 0.75)
    assert first["sampled_fine"] == pytest.approx(0.9) and first["first_fine"] == 0.3
    assert report.table(found, ["one", "other"]).splitlines() == [
        "| way | 0.02 | 0.3 | all |",
        "|---|---|---|---|",
        "| `one` | 1 of 3 | 1 of 1 | 2 of 4 |",
        "| `other` |  | 0 of 1 | 0 of 1 |",
    ]
    report.draw(tmp_path, ["one", "other"], {"one": "One", "other": "Other"}, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
