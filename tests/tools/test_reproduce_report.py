"""Tables from logs whose values are known."""

from pathlib import Path

import pandas as pd
import pytest

KINDS = (
    "colour",
    "shape",
    "count",
    "digit",
    "letter",
    "needs_second_look",
    "first_look_suffices",
)


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    import reproduce_report

    return reproduce_report


def write_log(folder: Path, steps: int) -> None:
    """Coarse kinds at 0, all others at step / steps; validation at 0 and then at 0.9."""
    rows = [{"val/accuracy": 0.5} | {f"val/resize_rate/{k}": 0.0 for k in KINDS}]
    for step in range(steps):
        rates = {f"train/resize_rate/{k}": 0.0 if k in KINDS[:3] else step / steps for k in KINDS}
        rows.append({"rollout_step": step, "time/rollout_s": 2.0, "time/update_s": 1.0} | rates)
    rows.append({"val/accuracy": 0.75} | {f"val/resize_rate/{k}": 0.9 for k in KINDS})
    folder.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)


def test_report(report, tmp_path: Path) -> None:
    for seed in (0, 1):
        write_log(tmp_path / f"quickstart-{seed}", steps=40)
    out = tmp_path / "out"
    report.write_report(tmp_path, out, ["quickstart"], [0, 1])
    ends = pd.read_csv(out / "ends.csv")
    assert list(ends["seed"]) == [0, 1]
    assert list(ends["accuracy"]) == [0.75, 0.75]
    assert list(ends["training_s"]) == [120.0, 120.0]
    sampled = ends["sampled: small print (digit, letter)"]
    assert sampled.tolist() == pytest.approx([29.5 / 40] * 2, abs=1e-3)  # mean of steps 20 to 39
    validation = pd.read_csv(out / "validation.csv")
    before = validation[(validation["when"] == "before") & (validation["metric"] == "accuracy")]
    assert before["value"].tolist() == [0.5, 0.5]
    assert (out / "resize_rate.png").stat().st_size > 10_000
    assert len(pd.read_csv(out / "curves.csv")) == 2 * 40 * 4
