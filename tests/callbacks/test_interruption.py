"""Ctrl-C: the run stops where it can go on from, and goes on as if it had not."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer

from trainer_helpers import ByPlace, Watch, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.rewards.base import Scores
from visionthink_pl.types import Group, RunStopped


@pytest.fixture(autouse=True)
def in_the_foreground() -> Iterator[None]:
    """Wherever these tests were started."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    """Until it has been heard: two at once would count as one."""
    listening = signal.getsignal(signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    while signal.getsignal(signal.SIGINT) is listening:
        time.sleep(0.01)


class WhileScoring(ByPlace):
    """Somebody presses it in the middle of a rollout."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self._left = call

    def score(self, group: Group, parts: dict[str, Scores]) -> Scores:
        self._left -= 1
        if self._left == 0:
            press()
        return super().score(group, parts)


class WhileUpdating(Callback):
    """Somebody presses it during the first update, ``times`` over."""

    def __init__(self, times: int = 1) -> None:
        self.times = times

    def on_before_optimizer_step(self, *args: Any) -> None:
        for _ in range(self.times):
            press()
        self.times = 0


class WhilePassing(Callback):
    """Somebody presses it during the second batch's first backward pass."""

    def on_after_backward(self, trainer: Trainer, *args: Any) -> None:
        if trainer.global_step == 1:
            press()


def fit(folder: Path, *callbacks: Callback, checkpoint: Path | None = None, call: int = 0) -> Watch:
    torch.manual_seed(0)  # the adapters' start
    watch = Watch()
    rollout = make_rollout(rewards=[WhileScoring(call)], max_new_tokens=4)
    trainer = make_trainer(folder, rollout, watch, *callbacks, max_epochs=2, limit_val_batches=0)
    trainer.fit(make_module(micro_batch_size=3), datamodule=make_data(), ckpt_path=checkpoint)
    return watch


def seen(watch: Watch) -> list[list[list[int]]]:
    return [
        [t.ids for group in batch.rollouts.groups for t in group.trajectories]
        for batch in watch.batches["fit"]
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[list[list[int]]]:
    return seen(fit(tmp_path_factory.mktemp("whole")))


@pytest.mark.parametrize("where", ["rollout", "update", "pass"])
def test_it_goes_on_where_it_was(where: str, tmp_path: Path, whole: list[list[list[int]]]) -> None:
    before = signal.getsignal(signal.SIGINT)
    pressed = {"update": [WhileUpdating()], "pass": [WhilePassing()]}.get(where, [])
    first = Watch()
    call = 3 if where == "rollout" else 0  # within the second batch of two prompts
    with pytest.raises(RunStopped, match="stopped by Ctrl-C"):
        fit(tmp_path, first, *pressed, call=call)
    assert signal.getsignal(signal.SIGINT) is before
    (checkpoint,) = tmp_path.rglob("stopped.ckpt")
    rest = fit(tmp_path / "rest", checkpoint=checkpoint)
    assert len(whole) == 4 and seen(first) == whole[:1]
    assert seen(rest) == whole[1:]
    assert signal.getsignal(signal.SIGINT) is before  # nobody listens once a run has ended


class OneHasSignal(WhileScoring):
    """Of each batch's two groups."""

    def score(self, group: Group, parts: dict[str, Scores]) -> Scores:
        scores = super().score(group, parts)
        return scores if self._left % 2 else [0.0] * len(scores)


@pytest.mark.parametrize("max_draws", [1, 2])
def test_groups_that_wait_are_named_as_lost(
    max_draws: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rollout = make_rollout(rewards=[OneHasSignal(3)], max_new_tokens=4, max_draws=max_draws)
    trainer = make_trainer(tmp_path, rollout, limit_val_batches=0)
    with pytest.raises(RunStopped):
        trainer.fit(make_module(), datamodule=make_data())
    lost = "groups that waited for more draws are lost: 1."
    assert (lost in capsys.readouterr().out) == (max_draws == 2)


def test_twice_is_at_once(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        fit(tmp_path, WhileUpdating(times=2))
    assert not [*tmp_path.rglob("stopped.ckpt")]


def test_a_run_in_the_background_goes_on(tmp_path: Path) -> None:
    class Pressed(Callback):
        def on_before_optimizer_step(self, *args: Any) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert len(fit(tmp_path, Pressed()).batches["fit"]) == 4
