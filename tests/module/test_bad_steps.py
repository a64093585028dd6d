"""Numbers that are not finite: the step is skipped, samples are named, the weights stay good."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from trainer_helpers import ByPlace, Plain, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.losses import GRPOLoss
from visionthink_pl.losses.base import LossInputs
from visionthink_pl.policy import Policy
from visionthink_pl.rewards.base import Scores
from visionthink_pl.training.advantages import Advantages
from visionthink_pl.training.optimizer import AdamW
from visionthink_pl.types import Group, PolicyLost, RunStopped

BATCHES = 4
BAD = 1  # the batch in which something is not finite, as a number of calls that went well before


class Faulty:
    """Counts batches, and says in which the fault is."""

    def __init__(self, *batches: int) -> None:
        self.batches, self.now = batches or (BAD,), 0

    @property
    def strikes(self) -> bool:
        return self.now in self.batches


class Next(Callback):
    """Goes on to the next batch, and keeps what was seen of each."""

    def __init__(self, fault: Faulty) -> None:
        self._fault = fault
        self.weights: list[dict[str, Tensor]] = []
        self.skipped: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        trained = {n: p.detach().clone() for n, p in pl_module.named_parameters()}
        self.weights.append(trained)
        self.skipped.append(float(trainer.callback_metrics["train/skipped_steps"]))
        self._fault.now += 1


class BadReward(ByPlace):
    def __init__(self, fault: Faulty, value: float) -> None:
        super().__init__()
        self._fault, self._value = fault, value

    def score(self, group: Group, parts: Mapping[str, Scores]) -> Scores:
        scores = super().score(group, parts)
        return [self._value, *scores[1:]] if self._fault.strikes else scores


class BadAdvantages(Advantages):
    def __init__(self, fault: Faulty) -> None:
        self._fault = fault

    def __call__(self, rewards_G: Tensor, group: Group) -> Tensor:
        advantages_G = rewards_G - rewards_G.mean()
        return advantages_G / 0 if self._fault.strikes else advantages_G


class BadLoss(GRPOLoss):
    """Spoils the value, or the gradient alone: a root has an infinite slope at 0."""

    def __init__(self, fault: Faulty, gradient_alone: bool = False) -> None:
        super().__init__(kl_coefficient=0.0)
        self._fault, self._gradient_alone = fault, gradient_alone

    def __call__(self, inputs: LossInputs) -> tuple[Tensor, dict[str, Tensor]]:
        loss, figures = super().__call__(inputs)
        if not self._fault.strikes:
            return loss, figures
        if self._gradient_alone:
            return loss + (inputs.logprobs_K.sum() * 0).sqrt(), figures
        return loss * math.inf, figures


def spoil_sampling(monkeypatch: pytest.MonkeyPatch, fault: Faulty) -> None:
    """The first row of a draw gets no distribution."""
    plain = Policy.distribution

    def distribution(self: Policy, hidden: Tensor, *rest: Any) -> Tensor:
        logprobs_NV = plain(self, hidden, *rest)
        if fault.strikes and not self.training:
            logprobs_NV[0] = math.nan
        return logprobs_NV

    monkeypatch.setattr(Policy, "distribution", distribution)


def run(folder: Path, fault: Faulty, rewards: list[Any] | None = None, **module: Any) -> Next:
    """A fit of ``BATCHES`` batches of two prompts."""
    watch = Next(fault)
    rollout = make_rollout(rewards=rewards or [ByPlace()])
    trainer = make_trainer(folder, rollout, watch, limit_val_batches=0)
    trainer.fit(make_module(**module), datamodule=make_data(Plain(2 * BATCHES)))
    assert trainer.global_step == BATCHES - len(fault.batches)
    return watch


FAULTS: dict[str, tuple[Callable[[Faulty], dict[str, Any]], str]] = {
    "reward": (lambda f: {"rewards": [BadReward(f, math.nan)]}, "an advantage of nan"),
    "infinite reward": (lambda f: {"rewards": [BadReward(f, -math.inf)]}, "an advantage of nan"),
    "advantage": (lambda f: {"advantages": BadAdvantages(f)}, "an advantage of -inf"),
    "loss": (lambda f: {"loss": BadLoss(f)}, "a loss of "),
    "gradient": (lambda f: {"loss": BadLoss(f, gradient_alone=True)}, "norm nan"),
    "sampling": (lambda f: {}, "log-probabilities as sampled"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_step_is_skipped_and_the_samples_are_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Faulty()
    settings, what = FAULTS[name]
    if name == "sampling":
        spoil_sampling(monkeypatch, fault)
    with pytest.warns(UserWarning, match="An optimizer step was skipped") as warned:
        watch = run(tmp_path, fault, **settings(fault))
    (message,) = [str(w.message) for w in warned if "was skipped" in str(w.message)]
    assert what in message
    assert name == "gradient" or "'plain-" in message
    assert watch.skipped == [0, 1, 1, 1]
    before, after, later = watch.weights[BAD - 1 : BAD + 2]
    assert all(torch.equal(before[n], after[n]) for n in before)
    assert any(not torch.equal(after[n], later[n]) for n in before)
    assert all(weight.isfinite().all() for weight in watch.weights[-1].values())


def test_a_run_that_takes_no_step_stops_with_good_weights(tmp_path: Path) -> None:
    fault = Faulty(1, 2, 3)
    keep = ModelCheckpoint(tmp_path, save_top_k=1, every_n_train_steps=1)
    trainer = make_trainer(
        tmp_path, make_rollout(), Next(fault), keep, limit_val_batches=0, enable_checkpointing=True
    )
    module = make_module(loss=BadLoss(fault), max_bad_steps=3)
    with pytest.raises(RunStopped, match=r"3 optimizer steps in a row .*model.max_bad_steps.*lr"):
        trainer.fit(module, datamodule=make_data(Plain(10)))
    assert trainer.global_step == 1
    for file in (keep.best_model_path, tmp_path / "checkpoints" / "stopped.ckpt"):
        saved = torch.load(file, weights_only=False)
        assert saved["global_step"] == 1
        assert all(value.isfinite().all() for value in saved["state_dict"].values())
    assert saved["bad_steps"] == {"in_a_row": 3, "total": 3}


def test_only_steps_in_a_row_stop_a_run(tmp_path: Path) -> None:
    fault = Faulty(0, 1, 3)
    with pytest.warns(UserWarning, match="was skipped"):
        watch = run(tmp_path, fault, loss=BadLoss(fault), max_bad_steps=3)
    assert watch.skipped == [1, 2, 2, 3]


def test_the_count_goes_on_in_a_resumed_run(tmp_path: Path) -> None:
    fault = Faulty(0, 1, 2, 3)
    module = make_module(loss=BadLoss(fault), max_bad_steps=3)
    trainer = make_trainer(tmp_path, make_rollout(), Next(fault), limit_val_batches=0, max_epochs=1)
    trainer.fit(module, datamodule=make_data(Plain(4)))  # two batches
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    again = make_trainer(tmp_path, make_rollout(), Next(fault), limit_val_batches=0, max_epochs=2)
    other = make_module(loss=BadLoss(fault), max_bad_steps=3)
    with pytest.raises(RunStopped, match="3 optimizer steps in a row"):
        again.fit(other, datamodule=make_data(Plain(4)), ckpt_path=tmp_path / "two.ckpt")
    assert fault.now == 2


def test_weights_that_a_step_has_lost_are_not_saved(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, make_rollout(), limit_val_batches=0)
    with pytest.raises(PolicyLost, match=r"learning rate of 1e\+37 .* go on from the last check"):
        trainer.fit(make_module(optimizer=AdamW(lr=1e37)), datamodule=make_data())
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
def test_damaged_weights_are_not_evaluated(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_sampling(monkeypatch, Faulty(0))
    trainer = make_trainer(tmp_path, make_rollout())
    data = make_data(test=Plain(), predict=Plain())
    with pytest.raises(RunStopped, match="gives sample 'plain-0' log-probabilities that are not"):
        getattr(trainer, stage)(make_module(), datamodule=data)
