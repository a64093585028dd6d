"""Alarms speak in runs that were made to fail, once, and in no others."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback

from trainer_helpers import ByPlace, Plain, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import Alarms
from visionthink_pl.callbacks.alarms import CUT_OFF, KL_AWAY, NO_SIGNAL
from visionthink_pl.callbacks.lost_calls import LOST
from visionthink_pl.policy import Policy
from visionthink_pl.rewards import Reward
from visionthink_pl.training.optimizer import AdamW
from visionthink_pl.types import RunStopped

WORDS = {
    "cut_off": "every response was cut off",
    "kl": "The KL",
    "no_signal": "no group had signal",
    "lost_calls": "called a tool, and accuracy is no higher",
}


class Equal(Reward):
    """Pays every answer the same."""

    name = "equal"

    def score(self, group: Any, parts: Any) -> list[float | None]:
        return [0.0 for _ in group.trajectories]


def run(folder: Path, draws: int, *callbacks: Callback, **settings: Any) -> list[str]:
    """The alarms of a fit of so many draws."""
    rollout = make_rollout(
        rewards=settings.pop("rewards", [ByPlace()]),
        max_new_tokens=settings.pop("max_new_tokens", 40),
    )
    trainer = make_trainer(folder, rollout, *callbacks, limit_val_batches=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(make_module(**settings), datamodule=make_data(Plain(2 * draws)))
    said = [str(one.message) for one in caught]
    return [text for text in said if any(words in text for words in WORDS.values())]


def test_every_response_is_cut_off(tmp_path: Path) -> None:
    (text,) = run(tmp_path, 2 * CUT_OFF, Alarms(), max_new_tokens=2, optimizer=AdamW(lr=1e-9))
    assert WORDS["cut_off"] in text and "max_new_tokens: 2. Raise it" in text


def test_the_kl_runs_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def far(self: Policy, *args: Any, **more: Any) -> torch.Tensor:
        return plain(self, *args, **more) - 7.0  # k3 of a difference of -7: e^-7 + 7 - 1 = 6.00

    plain = Policy.reference_logprobs
    monkeypatch.setattr(Policy, "reference_logprobs", far)
    (text,) = run(tmp_path, KL_AWAY + 2, Alarms(), optimizer=AdamW(lr=1e-9))
    assert WORDS["kl"] in text and "now 6.00" in text and "model.optimizer.lr" in text


def test_no_group_has_signal(tmp_path: Path) -> None:
    (text,) = run(tmp_path, NO_SIGNAL + 2, Alarms(), rewards=[Equal()])
    assert WORDS["no_signal"] in text and f"In {NO_SIGNAL} draws" in text


@pytest.mark.parametrize("draws", [NO_SIGNAL - 1])
def test_nothing_is_said_too_early(draws: int, tmp_path: Path) -> None:
    assert run(tmp_path, draws, Alarms(), rewards=[Equal()]) == []


def test_nothing_is_said_of_a_run_that_learns(tmp_path: Path) -> None:
    assert run(tmp_path, NO_SIGNAL + 1, Alarms(), optimizer=AdamW(lr=1e-5)) == []


def test_a_run_without_signal_stops_where_it_can_go_on(tmp_path: Path) -> None:
    alarms = Alarms(stop_without_signal=3)
    with pytest.raises(RunStopped, match=r"In 3 draws .*prepare\. \(alarms.stop_without_signal\)"):
        run(tmp_path, 8, alarms, rewards=[Equal()])
    file = tmp_path / "checkpoints" / "stopped.ckpt"
    rollout = make_rollout(rewards=[ByPlace()])
    trainer = make_trainer(tmp_path, rollout, Alarms(3), limit_val_batches=0)
    trainer.fit(make_module(), datamodule=make_data(Plain(16)), ckpt_path=file)
    assert (rollout.draw, trainer.global_step) == (8, 5)  # the other five


def test_the_count_goes_on_in_a_resumed_run() -> None:
    alarms = Alarms()
    alarms._holds("no_signal", True)
    other = Alarms()
    other.load_state_dict(alarms.state_dict())
    assert other._holds("no_signal", True) == 2
    assert other._holds("no_signal", False) == 0


class Direct(Reward):
    """Paid for by place, so that there is signal."""

    name = "accuracy"

    def score(self, group: Any, parts: Any) -> list[float | None]:
        return [0.25 * (index % 2) for index, _ in enumerate(group.trajectories)]


class NoCalls(Callback):
    """The policy can't write the tag of a call."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        policy = pl_module.loaded
        policy.never_sampled_V[policy.family.token_id("<tool_call>")] = True


def test_calls_are_gone(tmp_path: Path) -> None:
    settings = {"rewards": [Direct()], "optimizer": AdamW(lr=1e-9)}
    (text,) = run(tmp_path, LOST + 2, Alarms(), NoCalls(), **settings)
    assert WORDS["lost_calls"] in text and "at most 1% of the trajectories called a tool" in text


def test_where_no_tool_is_on_offer_nothing_is_lost(tmp_path: Path) -> None:
    rollout = make_rollout(rewards=[Direct()], tools=[])
    trainer = make_trainer(tmp_path, rollout, Alarms(), limit_val_batches=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(make_module(), datamodule=make_data(Plain(2 * LOST + 4)))
    assert not [one for one in caught if WORDS["lost_calls"] in str(one.message)]
