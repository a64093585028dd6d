"""A validation that was stopped or killed is made up for, and none is made twice."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer

from trainer_helpers import ByPlace, Plain, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import AdapterCheckpoint
from visionthink_pl.rewards.base import Scores
from visionthink_pl.types import Group, RunStopped

pytestmark = pytest.mark.equivalence

BATCHES = 4  # in an epoch of training
VALIDATED, SAMPLES = 2, 8  # batches of a validation, and its samples
Event = tuple[str, Any]


class Events(Callback):
    """What was done: sampled ids of each batch, and figures of each validation."""

    def __init__(self) -> None:
        self.seen: list[Event] = []

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        step = trainer.fit_loop.epoch_loop._batches_that_stepped  # that Lightning's own logs have
        self.seen.append(("fit", (step, ids(args[1]))))

    def on_validation_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(("validate", ids(args[3])))

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.seen.append(("validated", (trainer.global_step, figures["val/reward"])))


class EndsAfterValidation(Callback):
    """As a kill within the first rollout after a validation would."""

    validated = False

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.validated = True

    def on_train_batch_start(self, *args: Any) -> None:
        if self.validated:
            raise SystemExit(137)


def ids(batch: Any) -> list[list[int]]:
    return [t.ids for group in batch.rollouts.groups for t in group.trajectories]


class EndsAfterBatch(Callback):
    """As a kill within the second rollout of a process would."""

    def __init__(self) -> None:
        self._done = 0

    def on_train_batch_end(self, *args: Any) -> None:
        self._done += 1

    def on_train_batch_start(self, *args: Any) -> None:
        if self._done:
            raise SystemExit(137)


class Ends(ByPlace):
    """Ends a run at its ``at``-th greedy answer, or group in training: as a signal does, or as a
    kill would."""

    def __init__(self, at: int = 0, kill: bool = False, greedy: bool = True) -> None:
        super().__init__()
        self._left, self._kill, self._greedy = at, kill, greedy

    def score(self, group: Group, parts: dict[str, Scores]) -> Scores:
        counts = (len(group.trajectories) == 1) == self._greedy
        self._left -= counts
        if counts and self._left == 0:
            raise SystemExit(137) if self._kill else RunStopped("stopped by SIGTERM", 143)
        return super().score(group, parts)


def fit(
    folder: Path,
    *callbacks: Callback,
    at: int = 0,
    kill: bool = False,
    greedy: bool = True,
    ckpt: Path | None = None,
    **limits: Any,
) -> list[Event]:
    torch.manual_seed(0)
    events = Events()
    rollout = make_rollout(max_new_tokens=2, rewards=[Ends(at, kill, greedy)])
    every_step = AdapterCheckpoint(every_n_train_steps=1, save_top_k=-1)
    settings = {"max_epochs": 2, "limit_val_batches": VALIDATED, "enable_checkpointing": True}
    trainer = make_trainer(folder, rollout, events, *callbacks, every_step, **settings | limits)
    data = make_data(Plain(2 * BATCHES), Plain(SAMPLES), validation_prompts=SAMPLES // VALIDATED)
    try:
        trainer.fit(make_module(), datamodule=data, ckpt_path=ckpt)
    except (RunStopped, SystemExit):
        assert at or callbacks
    return events.seen


def newest(folder: Path) -> Path | None:
    files = folder.rglob("*.ckpt")
    return max(files, key=lambda file: file.stat().st_mtime_ns, default=None)


CASES: dict[str, dict[str, Any]] = {
    "at the end of an epoch": {},
    "within an epoch": {"val_check_interval": 2},
    "over epochs": {"val_check_interval": 3, "check_val_every_n_epoch": None},
    "every other epoch": {"check_val_every_n_epoch": 2, "max_epochs": 4},
}


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("limits", CASES.values(), ids=CASES)
def test_each_validation_is_made_once(limits: dict[str, Any], kill: bool, tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", **limits)
    validations = sum(event == "validated" for event, _ in whole)
    assert validations >= 2
    ends = [i for i, (event, _) in enumerate(whole) if event == "validated"]
    checkpoint, done = None, 0  # events that need not be repeated
    for end in ends:  # a validation ends a run at its last sample; made up for, it ends the next
        for turn in ("first", "made up for"):
            first = turn == "made up for" or checkpoint is None
            folder = tmp_path / f"{end} {turn}"
            at = SAMPLES if first else 2 * SAMPLES
            seen = fit(folder, at=at, kill=kill, ckpt=checkpoint, **limits)
            assert seen == whole[done : end - 1], (end, turn)
            checkpoint, done = newest(folder) or checkpoint, end - VALIDATED
    assert fit(tmp_path / "rest", ckpt=checkpoint, **limits) == whole[done:]
    final = newest(tmp_path / "rest")
    assert fit(tmp_path / "over", ckpt=final, **limits) == []


@pytest.mark.parametrize("name", ["at the end of an epoch", "within an epoch"])
def test_one_that_was_done_is_not_done_again(name: str, tmp_path: Path) -> None:
    limits = CASES[name]
    whole = fit(tmp_path / "whole", **limits)
    seen = fit(tmp_path / "killed", EndsAfterValidation(), **limits)
    assert seen == whole[: len(seen)] and seen[-1][0] == "validated"
    rest = fit(tmp_path / "rest", ckpt=newest(tmp_path / "killed"), **limits)
    assert rest == whole[len(seen) :]


@pytest.mark.parametrize("limits", CASES.values(), ids=CASES)
@pytest.mark.parametrize(("batch", "stops"), [(0, 1), (1, 2)])
def test_a_batch_that_a_stop_cut_short_is_not_counted(
    batch: int, stops: int, limits: dict[str, Any], tmp_path: Path
) -> None:
    """A stop within a rollout, once or twice, and a kill behind the next batch: with that batch
    counted twice a validation would come too early or too late."""
    whole = fit(tmp_path / "whole", **limits)
    seen, checkpoint = [], None
    for stop in range(stops):
        folder, at = tmp_path / f"stop {stop}", 1 if stop else 2 * batch + 1
        seen += fit(folder, at=at, greedy=False, ckpt=checkpoint, **limits)
        checkpoint = newest(folder)
    assert len(seen) == batch
    seen += fit(tmp_path / "killed", EndsAfterBatch(), ckpt=checkpoint, **limits)
    seen += fit(tmp_path / "rest", ckpt=newest(tmp_path / "killed"), **limits)
    assert seen == whole
