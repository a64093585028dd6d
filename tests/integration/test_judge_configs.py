"""The recipes with a judge, two steps each on the embedded model, with a judge on loopback."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from judge_server import JudgeServer, honest, judge_server
from tiny_judge import write_tiny_judge
from trainer_helpers import write_image_folder
from visionthink_pl.commands.trainer.cli import main

pytestmark = pytest.mark.integration

CONFIGS = Path(__file__).parents[2] / "configs"
KEY = "sk-very-secret-0123456789"
RECIPES = sorted([*CONFIGS.glob("efficient_*judge.yaml"), *CONFIGS.glob("general_*judge.yaml")])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the recipe is run: its data, and the key in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    write_image_folder(tmp_path / "data" / "train", "train", 8)
    write_image_folder(tmp_path / "data" / "validation", "validation", 2)
    return tmp_path


def scale_down(recipe: Path, judge: dict[str, Any]) -> dict[str, Any]:
    """The recipe with the embedded model on the CPU, ``judge``, and two small steps, both saved."""
    config = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    config["trainer"] |= {"accelerator": "cpu", "precision": "32-true", "max_steps": 2}
    config["trainer"]["val_check_interval"] = 1.0
    config["trainer"]["callbacks"][1]["init_args"] = {"every_n_train_steps": 1, "save_top_k": -1}
    config["model"] |= {"pretrained": "embedded"}
    config["data"] |= {"prompts_per_step": 4}
    config["rollout"] |= {"group_size": 4, "max_new_tokens": 40, "temperature": 1.5}
    config["rollout"]["rewards"][0]["init_args"]["judge"]["init_args"] |= judge
    return config


def run(desk: Path, config: dict[str, Any]) -> list[dict[str, str]]:
    """Fit; the rows of the log, which a CSV logger keeps."""
    csv_logger = {
        "class_path": "lightning.pytorch.loggers.CSVLogger",
        "init_args": {"save_dir": "csv"},
    }
    config["trainer"]["logger"].append(csv_logger)
    (desk / "small.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", "--config", "small.yaml"]) == 0
    (file,) = (desk / "csv").rglob("metrics.csv")
    with file.open() as rows:
        return list(csv.DictReader(rows))


def check(rows: list[dict[str, str]], recipe: Path) -> None:
    trained = [row for row in rows if row.get("train/accuracy")]
    assert any(float(row["optimizer_step"]) == 2 for row in trained)
    assert all(float(row["train/unscored"]) == 0 for row in trained)
    parts = {name.rpartition("/")[2] for name in trained[0] if name.startswith("train/reward/")}
    efficient = recipe.name.startswith("efficient")
    assert parts == {"accuracy", "format"} | ({"resize_penalty"} if efficient else set())
    rates = {float(row["train/resize_rate"]) for row in trained}
    assert (rates == {0.0}) is not efficient  # one turn, or two


def test_there_are_recipes() -> None:
    names = [recipe.stem for recipe in RECIPES]
    assert names == ["efficient_3b_judge", "efficient_3b_local_judge", "general_3b_judge"]


@pytest.mark.parametrize("recipe", [r for r in RECIPES if "local" not in r.stem], ids=str)
def test_with_a_judge_over_http(desk: Path, recipe: Path) -> None:
    with judge_server(honest) as server:
        rows = run(desk, scale_down(recipe, {"base_url": server.url}))
        assert server.requests and all(
            h["Authorization"] == f"Bearer {KEY}" for h in server.headers
        )
        check_requests(server)
    check(rows, recipe)
    written = [path for path in desk.rglob("*") if path.is_file()]
    assert any(path.name == "config.yaml" for path in written)
    assert sum(path.suffix == ".ckpt" for path in written) == 2
    for path in written:
        assert KEY.encode() not in path.read_bytes(), path


def check_requests(server: JudgeServer) -> None:
    """Text alone: the user's question, and nothing of the prompt around it."""
    for request in server.requests:
        text = json.dumps(request)
        assert request["model"] == "gpt-4o-mini" and "image_url" not in text
        assert "resize_image" not in text and "<think>" not in text


@pytest.mark.long
def test_with_a_judge_in_this_process(desk: Path) -> None:
    (recipe,) = (r for r in RECIPES if "local" in r.stem)
    judge = write_tiny_judge(desk / "judge")
    options = {"model": str(judge), "prompt": str(judge / "prompt.txt"), "max_new_tokens": 12}
    config = scale_down(recipe, options)
    config["rollout"]["rewards"][0]["init_args"]["max_failure_rate"] = 1.0  # it knows too little
    rows = run(desk, config)
    assert any(float(row["optimizer_step"] or 0) for row in rows if row.get("train/accuracy"))
