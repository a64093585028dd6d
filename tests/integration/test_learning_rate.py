"""The learning rate of each optimizer step: down to 0 at the end, and on from a checkpoint."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from torch import nn
from torch.optim import Optimizer

from callbacks.test_gathering import SignalIn
from trainer_helpers import Plain, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.training import AdamW, OptimizerConfig
from visionthink_pl.types import ConfigError

pytestmark = pytest.mark.integration

BATCHES = 4  # in an epoch, of two prompts each
LR = 8e-3
LINEAR = AdamW(lr=LR, schedule="linear")


@dataclass(frozen=True, kw_only=True)
class Momentum(OptimizerConfig):
    """SGD in two groups; the second has twice the learning rate."""

    momentum: float = 0.5

    def build(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        groups = [{"params": parameters[::2]}, {"params": parameters[1::2], "lr": 2 * self.lr}]
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum)


class Rates(Callback):
    """The learning rate of each optimizer step, in eighths of ``LR``; that of other groups of
    parameters over it; and the first group as it is left."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.ratios: set[float] = set()
        self.group: dict[str, Any] = {}

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        first, *others = [group["lr"] for group in optimizer.param_groups]
        self.steps.append(first * 8 / LR)
        self.ratios |= {other / first for other in others if first}

    def on_train_end(self, trainer: Trainer, module: Any) -> None:
        self.group = module.optimizers().param_groups[0]


def fit(
    folder: Path,
    optimizer: OptimizerConfig = LINEAR,
    ckpt: Path | None = None,
    updates: int = 1,
    rollout: dict[str, Any] | None = None,
    save: Sequence[int] = (),
    **limits: Any,
) -> Rates:
    """Saves a checkpoint behind each of the batches ``save``, and ``end.ckpt``."""
    torch.manual_seed(0)
    rates = Rates()
    callback = make_rollout(**{"max_new_tokens": 2} | (rollout or {}))
    settings = {"limit_val_batches": 0} | limits
    trainer = make_trainer(folder, callback, rates, Saves(folder, save), **settings)
    module = make_module(optimizer=optimizer, updates_per_batch=updates)
    trainer.fit(module, datamodule=make_data(Plain(2 * BATCHES)), ckpt_path=ckpt)
    trainer.save_checkpoint(folder / "end.ckpt")
    return rates


class Saves(Callback):
    """Writes ``N.ckpt`` behind batch N."""

    def __init__(self, folder: Path, batches: Sequence[int]) -> None:
        self.folder, self.batches, self._seen = folder, batches, 0

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self._seen += 1
        if self._seen in self.batches:
            trainer.save_checkpoint(self.folder / f"{self._seen}.ckpt")


def some_signal(drawn: int = 0) -> dict[str, Any]:
    """Groups with signal in some places: steps are taken behind the draws 2, 4 and 7.

    Args:
        drawn: places that were drawn before.
    """
    places = [place - drawn for place in (1, 4, 5, 6, 8, 14)]
    return {"rewards": [SignalIn(places)], "max_draws": 3}


# Limits and settings; the learning rates in eighths of the peak; and why.
RATES: list[tuple[dict[str, Any], list[float], str]] = [
    ({"max_epochs": 4, "max_steps": 4}, [8, 6, 4, 2], "fewer steps than batches"),
    ({"max_epochs": 1, "updates": 2}, [8, 7, 6, 5, 4, 3, 2, 1], "two steps a batch"),
    ({"max_epochs": 2, "rollout": some_signal()}, [6, 4, 1], "a step every few batches"),
]


@pytest.mark.parametrize(("settings", "expected", "why"), RATES)
def test_the_rate_is_0_at_the_end(
    tmp_path: Path, settings: dict[str, Any], expected: list[float], why: str
) -> None:
    rates = fit(tmp_path, **settings)
    assert rates.steps == pytest.approx(expected), why
    assert rates.group["lr"] == 0, why


def test_a_resumed_run_goes_on_in_the_schedule(tmp_path: Path) -> None:
    """From within the warm-up, the end of an epoch, and the middle of the next."""
    settings = {"optimizer": AdamW(lr=LR, schedule="cosine", warmup_steps=2), "max_epochs": 2}
    places = [1, BATCHES, BATCHES + 2]
    whole = fit(tmp_path, save=places, **settings)
    for at in places:
        rest = fit(tmp_path, ckpt=tmp_path / f"{at}.ckpt", **settings)
        assert rest.steps == whole.steps[at:], at  # to the bit


@pytest.mark.parametrize("at", [1, BATCHES, BATCHES + 2])
def test_so_does_an_optimizer_of_one_s_own(tmp_path: Path, at: int) -> None:
    settings = {"optimizer": Momentum(lr=LR, schedule="linear", warmup_steps=2), "max_epochs": 2}
    whole = fit(tmp_path, save=[at], **settings)
    assert whole.steps == pytest.approx([0, 4, 8, 20 / 3, 16 / 3, 4, 8 / 3, 4 / 3])
    assert whole.ratios == {2} and whole.group["lr"] == 0
    rest = fit(tmp_path / "rest", ckpt=tmp_path / f"{at}.ckpt", **settings)
    assert rest.steps == whole.steps[at:] and rest.ratios == {2}
    ends = [
        torch.load(folder / "end.ckpt")["state_dict"] for folder in (tmp_path, tmp_path / "rest")
    ]
    assert all(torch.equal(weight, ends[1][name]) for name, weight in ends[0].items())
    now = settings | {"optimizer": Momentum(lr=LR, momentum=0.25)}
    assert fit(tmp_path / "now", ckpt=tmp_path / f"{at}.ckpt", **now).group["momentum"] == 0.25


def test_so_does_one_whose_batches_gather(tmp_path: Path) -> None:
    whole = fit(tmp_path, save=[3], max_epochs=2, rollout=some_signal())
    rollout = some_signal(drawn=6)
    rest = fit(tmp_path, ckpt=tmp_path / "3.ckpt", max_epochs=2, rollout=rollout)
    assert rest.steps == whole.steps[1:] != []


# What a finished run is extended by, the rates that follow, and why.
EXTENDED: list[tuple[dict[str, Any], list[float], str]] = [
    ({"max_epochs": 4}, [4, 3.5, 3, 2.5, 2, 1.5, 1, 0.5], "half of the new whole is done"),
    ({"max_epochs": -1, "max_steps": 10}, [1.6, 0.8], "ten steps, eight of them taken"),
]


def test_a_finished_run_that_is_extended(tmp_path: Path) -> None:
    whole = fit(tmp_path, max_epochs=2)
    assert whole.steps == pytest.approx([8, 7, 6, 5, 4, 3, 2, 1]) and whole.group["lr"] == 0
    for limits, expected, why in EXTENDED:
        rest = fit(tmp_path / "rest", ckpt=tmp_path / "end.ckpt", **limits)
        assert rest.steps == pytest.approx(expected), why


@pytest.mark.parametrize("variant", ["torch", "8bit"])
def test_a_resumed_run_goes_by_its_own_settings(
    tmp_path: Path, variant: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fit(tmp_path, AdamW(lr=LR, variant=variant), max_epochs=1)
    ckpt, caplog.handler.formatter = tmp_path / "end.ckpt", logging.Formatter("%(message)s")
    with caplog.at_level(logging.INFO):
        same = fit(tmp_path / "same", AdamW(lr=LR, variant=variant), ckpt, max_epochs=2)
        assert same.steps == [8] * BATCHES and "goes on with" not in caplog.text
        now = AdamW(
            lr=LR / 2, weight_decay=0.1, betas=(0.8, 0.9), schedule="linear", variant=variant
        )
        changed = fit(tmp_path / "changed", now, ckpt, max_epochs=2)
    assert changed.steps == pytest.approx([2, 1.5, 1, 0.5])
    assert changed.group["weight_decay"] == 0.1 and changed.group["betas"] == (0.8, 0.9)
    (line,) = [line for line in caplog.text.splitlines() if "goes on with" in line]
    assert line == (
        f"The resumed run goes on with model.optimizer.lr {LR / 2} (was {LR}), "
        "model.optimizer.schedule linear (was constant), model.optimizer.weight_decay 0.1 "
        "(was 0.0), model.optimizer.betas (0.8, 0.9) (was (0.9, 0.999))."
    )


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (AdamW(), AdamW(variant="8bit"), r"\.variant: 8bit .* with torch"),
        (AdamW(variant="8bit"), AdamW(), r"\.variant: torch .* with 8bit"),
        (AdamW(), Momentum(), r": \S*Momentum .* with visionthink_pl\S*AdamW"),
        (Momentum(), AdamW(), r": visionthink_pl\S*AdamW .* with \S*Momentum"),
    ],
)
def test_state_of_another_optimizer_is_refused_before_training(
    tmp_path: Path, before: OptimizerConfig, now: OptimizerConfig, words: str
) -> None:
    fit(tmp_path, before, max_epochs=1)
    ckpt, module = tmp_path / "end.ckpt", make_module(optimizer=now)
    trainer = make_trainer(tmp_path, make_rollout(max_new_tokens=2), max_epochs=2)
    with pytest.raises(ConfigError, match=rf"model.optimizer{words}, or"):
        trainer.fit(module, datamodule=make_data(), ckpt_path=ckpt)
    assert trainer.global_step == 0
    trainer.validate(module, datamodule=make_data(), ckpt_path=ckpt)  # which needs none of them
