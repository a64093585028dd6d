"""TensorBoard's table of runs: settings and last metrics, read as its own page reads them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.commands.trainer.hyperparameters import compared

RUN: dict[str, Any] = {
    "trainer": {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 1,
        "limit_train_batches": 1,
        "enable_progress_bar": False,
        "logger": {
            "class_path": "lightning.pytorch.loggers.TensorBoardLogger",
            "init_args": {"save_dir": "runs", "name": "mine"},
        },
        "callbacks": ["visionthink_pl.callbacks.AdapterCheckpoint"],
    },
    "model": {"lora": {"r": 4}},
    "data": {
        "train": {"class_path": "visionthink_pl.data.LookCloser", "init_args": {"length": 8}},
        "validation": {
            "class_path": "visionthink_pl.data.LookCloser",
            "init_args": {"length": 4, "split": "validation"},
        },
        "prompts_per_step": 4,
    },
    "rollout": {
        "group_size": 2,
        "max_new_tokens": 40,
        "rewards": [
            "visionthink_pl.rewards.RuleAccuracy",
            {
                "class_path": "visionthink_pl.rewards.ResizePenalty",
                "init_args": {"measure": "accuracy", "theta": 0.3},
            },
        ],
    },
}


def run(folder: Path, *more: str) -> None:
    (folder / "run.yaml").write_text(yaml.safe_dump(RUN))
    assert main(["fit", "--config", str(folder / "run.yaml"), *more]) == 0


def table(folder: Path) -> tuple[dict[str, Any], dict[str, list[Any]], int]:
    """A run's row: its settings, the metrics' values, and how many times it was written."""
    events = EventAccumulator(str(folder)).Reload()
    contents = events.PluginTagToContent("hparams")
    started = HParamsPluginData.FromString(contents["_hparams_/session_start_info"])
    fields = started.session_start_info.hparams
    settings = {
        name: getattr(value, value.WhichOneof("kind")) if value.WhichOneof("kind") else None
        for name, value in fields.items()
    }
    tags = events.Tags()["scalars"]
    final = {tag: [e.value for e in events.Scalars(tag)] for tag in tags if "final/" in tag}
    return settings, final, len(contents)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])


@pytest.mark.integration
def test_two_runs_and_one_that_goes_on(tmp_path: Path) -> None:
    run(tmp_path)
    run(tmp_path, "--seed_everything=1", "--model.optimizer.lr=1e-3")
    first, second = sorted((tmp_path / "runs" / "mine").glob("version_*"))
    settings, final, written = table(first)
    assert settings["seed_everything"] == 0 and settings["model.lora.r"] == 4
    assert settings["rewards/RuleAccuracy"].startswith("RuleAccuracy(")
    assert "theta=0.3" in settings["rewards/ResizePenalty"]
    assert set(final) == {
        f"final/{name}" for name in ("accuracy", "reward", "resize_rate", "visual_token_ratio")
    }
    assert all(len(values) == 1 for values in final.values())
    assert table(second)[0]["model.optimizer.lr"] == pytest.approx(1e-3)
    (ckpt,) = first.rglob("*.ckpt")
    run(tmp_path, "--trainer.max_epochs=2", f"--ckpt_path={ckpt}")
    again, final, written_again = table(first)
    assert again == settings and written_again == written
    assert all(len(values) <= 2 for values in final.values())


def test_what_is_compared() -> None:
    config = {
        "seed_everything": 3,
        "model": {
            "lora": {"class_path": "x.Lora", "init_args": {"r": 8}},
            "loss": {"class_path": "a.b.GRPOLoss", "init_args": {"kl_coefficient": 0.1}},
            "advantages": None,
        },
        "rollout": {"rewards": [{"class_path": "a.Format", "init_args": {}}]},
    }
    assert compared(config) == {
        "seed_everything": 3,
        "model.lora.r": 8,
        "model.loss": "GRPOLoss(kl_coefficient=0.1)",
        "rewards/Format": "Format()",
    }
    assert compared({"model": {"lora": None}}) == {}
