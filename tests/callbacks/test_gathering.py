"""Draws until a batch is full of groups with signal, inside Lightning's loop."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from lightning import Callback, LightningModule, Trainer

from model_helpers import assert_same_gradients
from trainer_helpers import Plain, Watch, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import AdapterCheckpoint
from visionthink_pl.rewards import Reward
from visionthink_pl.rewards.base import Scores
from visionthink_pl.types import Group, PromptBatch


class SignalIn(Reward):
    """Groups have signal in some places of the run's order, and in no others."""

    name = "signal_in"

    def __init__(self, places: Sequence[int]) -> None:
        super().__init__()
        self._places, self._seen = set(places), 0

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        signal = self._seen in self._places
        self._seen += 1
        return [float(place * signal) for place in range(len(group.trajectories))]


class Steps(Callback):
    """After each draw: optimizer steps so far, and whether the features were kept."""

    def __init__(self) -> None:
        self.found: list[tuple[int, bool]] = []

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int
    ) -> None:
        self.found.append((trainer.global_step, bool(module.policy.features._kept)))


def kept(batch: PromptBatch) -> list[str]:
    return [group.sample.id for group in batch.rollouts.kept.groups]


def test_steps_are_taken_when_there_are_enough_and_across_epochs(tmp_path: Path) -> None:
    """Two prompts a draw, two draws an epoch, three epochs; signal in 1, 4, 5, 6 and 8 of 12."""
    watch, steps = Watch(), Steps()
    rollout = make_rollout(rewards=[SignalIn([1, 4, 5, 6, 8])], max_draws=3)
    trainer = make_trainer(tmp_path, rollout, watch, steps, max_epochs=3, limit_val_batches=0)
    trainer.fit(make_module(), datamodule=make_data())
    batches = watch.batches["fit"]
    assert [len(batch.rollouts.kept.groups) for batch in batches] == [0, 0, 2, 0, 2, 0]
    assert [batch.rollouts.kept.waiting for batch in batches] == [1, 1, 0, 1, 0, 0]
    assert [batch.rollouts.kept.surplus for batch in batches] == [0, 0, 1, 0, 0, 0]
    # the first of the three comes from the first draw of the epoch before
    samples = [group.sample.id for batch in batches for group in batch.rollouts.groups]
    assert kept(batches[2]) == [samples[1], samples[4]]
    # features wait with the groups, and are freed by the step, or where nothing waits
    assert steps.found == [(0, True), (0, True), (1, False), (1, True), (2, False), (2, False)]


def test_the_last_draw_of_all_takes_what_there_is(tmp_path: Path) -> None:
    watch = Watch()
    rollout = make_rollout(rewards=[SignalIn([2])], max_draws=9)
    trainer = make_trainer(tmp_path, rollout, watch, limit_val_batches=0)
    trainer.fit(make_module(), datamodule=make_data())
    assert [len(batch.rollouts.kept.groups) for batch in watch.batches["fit"]] == [0, 1]
    assert (trainer.global_step, rollout.waiting) == (1, 0)


class Gradients(Callback):
    """What each optimizer step is taken with. (AdamW would divide by it: of a gradient that is
    all rounding it makes a whole step.)"""

    def __init__(self) -> None:
        self.found: list[dict[str, torch.Tensor]] = []

    def on_before_optimizer_step(self, trainer: Trainer, module: LightningModule, _) -> None:
        trained = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        self.found.append({name: p.grad.clone() for name, p in trained})


def test_what_waited_is_trained_on_as_if_it_had_been_drawn_at_once(tmp_path: Path) -> None:
    """Nothing is updated in between: the same two groups, in one draw or in two, one step."""
    gathered = make_rollout(rewards=[SignalIn([0, 3])], max_draws=2)
    at_once = make_rollout(rewards=[SignalIn([0, 3])])

    def gradient(rollout, prompts_per_step: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        data, gradients = make_data(Plain(4)), Gradients()
        data.prompts_per_step, data.shuffle = prompts_per_step, False
        make_trainer(tmp_path, SameDraw(), rollout, gradients).fit(make_module(), datamodule=data)
        (found,) = gradients.found
        return found

    assert_same_gradients(gradient(gathered, 2), gradient(at_once, 4))


class SameDraw(Callback):
    """Keeps the draw's index at 0, so that what a prompt samples doesn't depend on it."""

    def on_train_batch_start(self, trainer: Trainer, *args: object) -> None:
        trainer.callbacks[1].draw = 0


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".ckpt")


def test_checkpoints_are_written_when_nothing_waits(tmp_path: Path) -> None:
    """One a draw would be due by the epochs' ends 2, 4 and 6; groups wait at 2."""
    saves = AdapterCheckpoint(tmp_path / "saved", filename="{epoch}-{step}", save_top_k=-1)
    rollout = make_rollout(rewards=[SignalIn([1, 4, 6, 7, 8, 9])], max_draws=3)
    settings = {"max_epochs": 3, "limit_val_batches": 0, "enable_checkpointing": True}
    trainer = make_trainer(tmp_path, rollout, saves, **settings)
    trainer.fit(make_module(), datamodule=make_data())
    # epoch 0 ended while a group waited: written after the step, in epoch 1
    assert names(tmp_path / "saved") == [
        "epoch=1-step=1.ckpt",
        "epoch=1-step=2.ckpt",
        "epoch=2-step=3.ckpt",
    ]
