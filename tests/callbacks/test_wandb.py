"""W&B itself, offline: its tables hold the trajectories, and its run the settings."""

import json
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import WandbLogger

from trainer_helpers import GROUP_SIZE, ByPlace, Plain, make_data, make_module, make_rollout
from trainer_helpers import make_trainer as trainer_of
from visionthink_pl.callbacks import RolloutLog
from visionthink_pl.rewards import RuleAccuracy


def tables(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows by table and step."""
    found = {}
    for file in sorted(folder.rglob("*.table.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        rows = [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]
        found.setdefault(file.name.partition("_")[0], []).extend(rows)
    return found


@pytest.mark.integration
def test_trajectories_are_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WANDB_SILENT": "true", "WANDB_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    logger = WandbLogger(save_dir=tmp_path, project="p", offline=True)
    rollout = make_rollout(rewards=[ByPlace(), RuleAccuracy()])
    log = RolloutLog(every_n_steps=1, groups=2)
    trainer = trainer_of(tmp_path, rollout, log, logger=logger)
    trainer.fit(make_module(), datamodule=make_data(Plain(4), Plain(2)))
    logger.experiment.finish()
    found = tables(tmp_path)
    rows = found["rollouts"]
    assert len(rows) == 2 * 2 * GROUP_SIZE  # draws, prompts
    assert [row["by_place"] for row in rows[:GROUP_SIZE]] == [0.0, 1.0, 2.0]
    assert {row["kind"] for row in rows} == {"plain"}
    assert all(row["turns"] and row["question"] for row in rows)
    assert [round(sum(row["advantage"] for row in rows), 6)] == [0]
    wrong = found["wrong"]  # six tokens are too few for an answer
    assert len(wrong) == 2 and all(row["accuracy"] == 0 for row in wrong)
