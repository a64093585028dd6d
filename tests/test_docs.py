"""What the docs show works as they show it."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from helpers import make_group, make_trajectory
from table_helpers import write_jsonl
from trainer_helpers import SMALL_RUN
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.data import LookCloser
from visionthink_pl.rewards import example_group
from visionthink_pl.training.advantages import GroupNormalised

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
    code, _ = blocks("python")
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


DRAWN = "data.LookCloser, init_args: {length: 8}"
OTHER_COLUMN = """\
  rewards:
    - class_path: visionthink_pl.rewards.RuleAccuracy
    - class_path: by_column.Difficulty
"""


@pytest.mark.integration
def test_the_reward_of_the_docs_that_reads_another_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows have the same, so that the mean of the part is known."""
    _, code = blocks("python")
    (tmp_path / "by_column.py").write_text(code)
    rows = []
    for index in range(8):
        sample = LookCloser(8)[index]
        sample.images[0].save(tmp_path / f"{index}.png")
        row = {"image": f"{index}.png", "question": sample.question, "answer": sample.answer}
        rows.append(row | {"difficulty": 0.25})
    write_jsonl(tmp_path / "questions.jsonl", rows)
    assert DRAWN in SMALL_RUN
    config = SMALL_RUN.replace(DRAWN, 'data.ImageFolder, init_args: {folder: "."}')
    (tmp_path / "small.yaml").write_text(config + OTHER_COLUMN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    assert main(["fit", "--config", "small.yaml"]) == 0
    (file,) = tmp_path.rglob("metrics.csv")
    with file.open() as lines:
        (row,) = (r for r in csv.DictReader(lines) if r.get("train/reward"))
    accuracy, paid = (float(row[f"train/reward/{part}"]) for part in ("accuracy", "difficulty"))
    assert accuracy > 0 and paid == pytest.approx(0.25 * accuracy)


def test_it_pays_1_where_a_row_has_no_such_column() -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[1], names)  # noqa: S102
    reward, parts = names["Difficulty"](), {"accuracy": [1.0, 0.0, None]}
    turns = [["<answer>7</answer>"]] * 3
    for extra, scores in (({}, [1, 0, None]), ({"difficulty": 0.5}, [0.5, 0, None])):
        assert reward.score(example_group(turns, "7", extra=extra), parts) == scores


def test_the_config_of_the_docs_names_what_there_is() -> None:
    import visionthink_pl.rewards as rewards

    for text in blocks("yaml"):
        for part in yaml.safe_load(text)["rollout"]["rewards"]:
            package, _, name = part["class_path"].rpartition(".")
            assert package == "visionthink_pl.rewards" and name in rewards.__all__


TABLE = re.findall(
    r"^\| `(\w+)`[^|]*\| ?([\d.]*) \| \+-([\d.]+) \| \+-([\d.]+) \|$", REWARDS, re.MULTILINE
)


def test_the_table_is_found() -> None:
    assert [row[0] for row in TABLE] == ["std", "std", "mean", "leave_one_out", "parts"]


@pytest.mark.parametrize(("normalisation", "floor", "correct", "half"), TABLE)
def test_advantages_of_the_table(normalisation: str, floor: str, correct: str, half: str) -> None:
    """Accuracy is 1, or half of the time 0; or the penalty of 0.1 is, with 0.2 as its weight."""
    table = ((1.4, correct, [1.0, 1.0], [0.0, -0.1]), (0.5, half, [1.0, 0.0], [0.0, 0.0]))
    for lower, expected, accuracy, penalty in table:
        group = make_group([make_trajectory() for _ in range(8)])
        group.parts = {"accuracy": accuracy * 4, "resize_penalty": penalty * 4}
        group.weights = {"accuracy": 1.0, "resize_penalty": 0.2}
        advantages = GroupNormalised(normalisation, float(floor or 0))
        advantages_G = advantages(torch.tensor([1.5, lower] * 4), group)
        found = [f"{value:.2f}" for value in advantages_G.abs().tolist()]
        assert found == [expected] * 8
