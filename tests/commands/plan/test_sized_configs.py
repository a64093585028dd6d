"""The configs for cards, and those with the paper's numbers: two small steps of each."""

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from judge_server import honest, judge_server
from trainer_helpers import write_image_folder
from visionthink_pl.commands.trainer.cli import main

pytestmark = [pytest.mark.integration, pytest.mark.long]

CONFIGS = Path(__file__).parents[3] / "configs"
PAPERS = ("adaptvision_*.yaml", "deepeyes_*.yaml", "paper_*.yaml")
SIZED = sorted(file for glob in ("efficient_*gb.yaml", *PAPERS) for file in CONFIGS.glob(glob))
CSV = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": "csv"}}


def scale_down(config: dict[str, Any], url: str) -> dict[str, Any]:
    """The embedded model on the CPU, a judge on loopback, two small steps."""
    config["trainer"] |= {"accelerator": "cpu", "precision": "32-true", "max_steps": 2}
    config["trainer"] |= {"val_check_interval": 1.0, "logger": [CSV], "limit_val_batches": 0}
    config["model"] |= {"pretrained": "embedded"}
    config["model"]["optimizer"]["lr"] = 1e-6
    config["data"] |= {"prompts_per_step": 4}
    config["rollout"] |= {"group_size": 4, "max_new_tokens": 24, "temperature": 1.5}
    judge = config["rollout"]["rewards"][0]["init_args"]["judge"]["init_args"]
    judge |= {"base_url": url}
    return config


def test_there_is_one_for_each_card() -> None:
    assert [config.stem for config in SIZED] == [
        "adaptvision_7b",
        "deepeyes_7b",
        "efficient_3b_qlora_12gb",
        "efficient_7b_lora_48gb",
        "efficient_7b_lora_80gb",
        "efficient_7b_qlora_24gb",
        "efficient_qwen3vl_4b_qlora_16gb",
        "paper_efficient_7b",
        "paper_general_7b",
    ]


@pytest.mark.parametrize("config", SIZED, ids=lambda config: config.stem)
def test_two_steps(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    write_image_folder(tmp_path / "data" / "train", "train", 8)
    write_image_folder(tmp_path / "data" / "validation", "validation", 2)
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    with judge_server(honest) as server:
        small = scale_down(values, server.url)
        (tmp_path / "small.yaml").write_text(yaml.safe_dump(small))
        assert main(["fit", "--config", "small.yaml"]) == 0
    (file,) = (tmp_path / "csv").rglob("metrics.csv")
    with file.open() as lines:
        steps = [float(row["optimizer_step"]) for row in csv.DictReader(lines)]
    assert max(steps) == 2
