"""What the docs show works as they show it."""

import csv
import re
from pathlib import Path

import pytest
import torch
import yaml

from trainer_helpers import SMALL_RUN
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.training.advantages import group_advantages

ROOT = Path(__file__).parents[1]
REWARDS = (ROOT / "docs" / "rewards.md").read_text(encoding="utf-8")
REWARD_OF_THE_PAGE = """\
  rewards:
    - class_path: visionthink_pl.rewards.RuleAccuracy
    - {class_path: shortness.Shortness, init_args: {weight: 0.1}}
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", REWARDS, re.DOTALL)


@pytest.mark.integration
def test_the_reward_of_the_docs_is_added_from_a_file_outside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = blocks("python")
    assert len(code.strip().splitlines()) <= 20
    (tmp_path / "shortness.py").write_text(code)
    (tmp_path / "small.yaml").write_text(SMALL_RUN + REWARD_OF_THE_PAGE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # `python -m` does that
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    assert main(["fit", "--config", "small.yaml"]) == 0
    (file,) = tmp_path.rglob("metrics.csv")
    with file.open() as lines:
        (row,) = (r for r in csv.DictReader(lines) if r.get("train/reward"))
    accuracy, shortness = (float(row[f"train/reward/{part}"]) for part in ("accuracy", "shortness"))
    assert 0 < shortness <= 1
    assert float(row["train/reward"]) == pytest.approx(accuracy + 0.1 * shortness)


def test_the_config_of_the_docs_names_what_there_is() -> None:
    import visionthink_pl.rewards as rewards

    (text,) = blocks("yaml")
    for part in yaml.safe_load(text)["rollout"]["rewards"]:
        package, _, name = part["class_path"].rpartition(".")
        assert package == "visionthink_pl.rewards" and name in rewards.__all__


TABLE = re.findall(
    r"^\| `(\w+)`[^|]*\| ?([\d.]*) \| \+-([\d.]+) \| \+-([\d.]+) \|$", REWARDS, re.MULTILINE
)


def test_the_table_is_found() -> None:
    assert [row[0] for row in TABLE] == ["std", "std", "mean", "leave_one_out"]


@pytest.mark.parametrize(("normalisation", "floor", "correct", "half"), TABLE)
def test_advantages_of_the_table(normalisation: str, floor: str, correct: str, half: str) -> None:
    for lower, expected in ((1.4, correct), (0.5, half)):
        rewards_G = torch.tensor([1.5, lower] * 4)
        advantages_G = group_advantages(rewards_G, normalisation, float(floor or 0))
        found = [f"{value:.2f}" for value in advantages_G.abs().tolist()]
        assert found == [expected] * 8
