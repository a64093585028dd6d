"""Wherever a checkpoint was written, a resumed run goes on right behind it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer

from trainer_helpers import (
    ByPlace,
    Plain,
    Watch,
    make_data,
    make_module,
    make_rollout,
    make_trainer,
)
from visionthink_pl.rewards.base import Scores
from visionthink_pl.types import Group

pytestmark = pytest.mark.equivalence

BATCHES = 4  # in an epoch
Limits = dict[str, Any]


def fit(
    folder: Path, *callbacks: Callback, ckpt: Path | None = None, rewards: Any = None, **limits: Any
) -> tuple[Trainer, list[list[str]]]:
    """The trainer, and the prompts of each batch; the order of each epoch is another one."""
    torch.manual_seed(0)
    watch, rollout = Watch(), make_rollout(max_new_tokens=2, rewards=rewards or [ByPlace()])
    limits = {"limit_val_batches": 0, "enable_checkpointing": True} | limits
    trainer = make_trainer(folder, rollout, watch, *callbacks, **limits)
    trainer.fit(make_module(), datamodule=make_data(Plain(2 * BATCHES)), ckpt_path=ckpt)
    batches = watch.batches.get("fit", [])
    return trainer, [[group.sample.id for group in batch.rollouts.groups] for batch in batches]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    _, prompts = fit(tmp_path_factory.mktemp("whole"), max_epochs=3)
    assert len(prompts) == 3 * BATCHES and prompts[:BATCHES] != prompts[BATCHES : 2 * BATCHES]
    return prompts


FIRST: list[tuple[int, Limits]] = [  # batches trained, and what ended the fit there
    (2, {"max_epochs": 2, "max_steps": 2}),
    (4, {"max_epochs": 1}),
    (6, {"max_epochs": -1, "max_steps": 6}),
]
SECOND: list[tuple[str, int, Limits]] = [  # from which checkpoint, and batches in all
    ("epoch=*", 12, {"max_epochs": 3}),  # Lightning's own, as the first fit ended
    ("end", 7, {"max_epochs": -1, "max_steps": 7, "limit_val_batches": 1}),
    ("end", 8, {"max_epochs": 2, "max_steps": 10, "limit_val_batches": 1}),
]


@pytest.mark.parametrize(("done", "first"), FIRST)
def test_a_fit_that_ended_goes_on(
    tmp_path: Path, whole: list[list[str]], done: int, first: Limits
) -> None:
    trainer, prompts = fit(tmp_path / "first", **first | {"limit_val_batches": 1})
    assert prompts == whole[:done]
    trainer.save_checkpoint(tmp_path / "first" / "end.ckpt")
    for name, batches, second in SECOND:
        (file,) = (tmp_path / "first").rglob(f"{name}.ckpt")
        _, rest = fit(tmp_path / "rest", ckpt=file, **second)
        assert rest == whole[done:batches], (file.name, second)


class Numbers(ByPlace):
    """Notes what the rows' other column says."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def score(self, group: Group, parts: dict[str, Scores]) -> Scores:
        self.seen.append(group.sample.extra["number"])
        return super().score(group, parts)


def test_other_columns_are_there_in_a_resumed_run(tmp_path: Path, whole: list[list[str]]) -> None:
    first, second = Numbers(), Numbers()
    fit(tmp_path, rewards=[first], max_epochs=-1, max_steps=2)
    (file,) = tmp_path.rglob("epoch=*.ckpt")
    fit(tmp_path / "rest", ckpt=file, rewards=[second], max_epochs=1)
    assert len(first.seen) == len(second.seen) == 4
    names = [name for batch in whole[:BATCHES] for name in batch]
    assert [f"plain-{number}" for number in first.seen + second.seen] == names


class SaveWhileScoring(ByPlace):
    """Writes a checkpoint while the third batch is scored."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.trainer, self._left = folder, None, 5

    def score(self, group: Group, parts: dict[str, Scores]) -> Scores:
        self._left -= 1
        if self._left == 0:
            self.trainer.save_checkpoint(self.folder / "rollout.ckpt")
        return super().score(group, parts)


class SaveWhileUpdating(Callback):
    """Writes a checkpoint before the third step, as a job that is preempted does."""

    def __init__(self, folder: Path, reward: SaveWhileScoring) -> None:
        self.folder, self.reward = folder, reward

    def on_fit_start(self, trainer: Trainer, *_: Any) -> None:
        self.reward.trainer = trainer

    def on_before_optimizer_step(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == 2:
            trainer.save_checkpoint(self.folder / "update.ckpt")


def test_a_checkpoint_within_a_batch_begins_with_it(tmp_path: Path, whole: list[list[str]]) -> None:
    reward = SaveWhileScoring(tmp_path)
    fit(tmp_path, SaveWhileUpdating(tmp_path, reward), rewards=[reward], max_epochs=1)
    for name in ("rollout", "update"):
        saved = torch.load(tmp_path / f"{name}.ckpt", weights_only=True)
        assert saved["callbacks"]["RolloutCallback"] == {"draw": 2}, name
        _, rest = fit(tmp_path / "rest", ckpt=tmp_path / f"{name}.ckpt", max_epochs=2)
        assert rest == whole[2 : 2 * BATCHES], name
