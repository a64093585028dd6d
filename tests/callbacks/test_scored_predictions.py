"""Predictions are scored where there is a ground truth, and nowhere else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from trainer_helpers import Plain, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import TrajectoryLog
from visionthink_pl.data import LookCloser, Source
from visionthink_pl.rewards import FormatReward, Reward, RuleAccuracy
from visionthink_pl.rewards.base import Scores
from visionthink_pl.types import ConfigError, Group, Trajectory, UnreadableSample, VQASample

Row = dict[str, Any]


class Some(Source):
    """Drawn questions; those at the indices ``blank`` have no ground truth."""

    def __init__(self, length: int, blank: tuple[int, ...]) -> None:
        self._of, self._blank = LookCloser(length, "validation"), blank

    @property
    def kinds(self) -> tuple[str, ...]:
        return self._of.kinds

    def __len__(self) -> int:
        return len(self._of)

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        sample = self._of[index]
        answer = " " if index in self._blank else sample.answer
        return VQASample(sample.id, sample.question, answer, sample.images, sample.kind)


class NeedsKey(Reward):
    """As a judge does: 1 for all, asked in ``begin``; it counts what it is asked."""

    name = "accuracy"

    def __init__(self, key: bool) -> None:
        super().__init__()
        self._key, self.set_up, self.begun = key, 0, list[str]()

    def setup(self) -> None:
        if not self._key:
            raise ConfigError("no key")
        self.set_up += 1

    def begin(self, sample: VQASample, trajectory: Trajectory) -> None:
        self.begun.append(sample.id)

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        return [1.0 for _ in group.trajectories]


def predict(folder: Path, source: Source, *rewards: Reward) -> list[Row]:
    rollout = make_rollout(rewards=list(rewards), max_new_tokens=40)
    trainer = make_trainer(folder, rollout, TrajectoryLog(), limit_predict_batches=9)
    data = make_data(predict=source, validation_prompts=4)
    found = trainer.predict(make_module(), datamodule=data)
    return [row for batch in found or [] for row in batch]  # type: ignore[misc]


def test_rows_with_a_truth_have_the_score_of_validation(tmp_path: Path) -> None:
    rows = predict(tmp_path, Some(8, blank=(1, 6)), RuleAccuracy(), FormatReward())
    assert [index for index, row in enumerate(rows) if "score" not in row] == [1, 6]
    assert rows[1]["truths"] == []
    scores = {row["id"]: row["score"] for row in rows if "score" in row}
    assert set(scores.values()) == {0.0, 1.0}
    assert all(
        row["score"] == float(row["answer"] in row["truths"]) for row in rows if "score" in row
    )


def test_images_are_files_beside_the_trajectories(tmp_path: Path) -> None:
    rows = predict(tmp_path, Plain(3, bad=[1]), RuleAccuracy())
    assert [row["id"] for row in rows] == ["plain-0", "plain-2", "plain-1"]
    for row in rows[:2]:
        (image,) = row["images"]
        assert (tmp_path / "trajectories" / image["file"]).is_file()
        assert (image["width"], image["height"]) == (56, 56)
    assert "images" not in rows[2]


def test_a_judge_is_set_up_once_and_asked_about_samples_with_a_truth(tmp_path: Path) -> None:
    judge = NeedsKey(key=True)
    rows = predict(tmp_path, Some(8, blank=(0, 1, 2, 3, 5)), judge)
    assert judge.set_up == 1
    assert sorted(judge.begun) == sorted(rows[index]["id"] for index in (4, 6, 7))


def test_without_any_truth_no_key_is_needed(tmp_path: Path) -> None:
    rows = predict(tmp_path, Some(4, blank=(0, 1, 2, 3)), NeedsKey(key=False))
    assert len(rows) == 4 and not any("score" in row for row in rows)
    with pytest.raises(ConfigError, match="no key"):  # negative control
        predict(tmp_path / "with", Some(4, blank=(0,)), NeedsKey(key=False))


def test_without_a_reward_for_accuracy_nothing_is_scored(tmp_path: Path) -> None:
    rows = predict(tmp_path, Some(4, blank=()), FormatReward())
    assert not any("score" in row for row in rows)
