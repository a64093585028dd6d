"""A fit and an evaluation leave the page beside their logs, and lose nothing where it fails."""

from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning import Trainer

from trainer_helpers import SMALL_RUN
from visionthink_pl.commands.evaluate.evaluate import main as evaluate
from visionthink_pl.commands.report import report as module
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.types import RunStopped

pytestmark = pytest.mark.integration
FOLDER = Path("csv/lightning_logs/version_0")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "small.yaml").write_text(SMALL_RUN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    return "small.yaml"


def test_a_fit(config: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["fit", "--config", config]) == 0
    assert f"report: {FOLDER / 'report.html'}" in capsys.readouterr().out.splitlines()
    page = (FOLDER / "report.html").read_text(encoding="utf-8")
    assert "1 optimizer step · 1 rollout batch · 32 trajectories" in page
    assert 'data-figure="0"' in page and '"use":"' in page


def test_a_fit_that_was_stopped(
    config: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = Trainer.fit

    @wraps(fit)
    def stops(self: Trainer, *args: Any, **options: Any) -> None:
        fit(self, *args, **options)
        raise RunStopped("the judge is down")

    monkeypatch.setattr(Trainer, "fit", stops)
    assert main(["fit", "--config", config]) == 1
    assert "error: the judge is down" in capsys.readouterr().err
    assert (FOLDER / "report.html").is_file()


def test_a_report_that_fails_is_one_warning(
    config: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_report", fails)
    with pytest.warns(UserWarning, match=r"^no report was written: OSError: \[Errno 28\] No space"):
        assert main(["fit", "--config", config]) == 0
    out = capsys.readouterr().out
    assert "1 optimizer steps in 1 rollout batches" in out and "report:" not in out
    assert list(FOLDER.glob("checkpoints/*.ckpt"))


def test_an_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data = {"class_path": "visionthink_pl.data.LookCloser", "init_args": {"length": 4}}
    settings = {"benchmarks": {"drawn": {"data": data}}, "out": str(tmp_path / "out")}
    (tmp_path / "eval.yaml").write_text(yaml.safe_dump(settings | {"modes": ["adaptive"]}))
    assert evaluate(["--config", str(tmp_path / "eval.yaml")]) == 0
    assert f"report: {tmp_path / 'out' / 'report.html'}" in capsys.readouterr().out
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Modes side by side" in page and '"origin":"adaptive"' in page
