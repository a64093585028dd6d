"""Says in the log what has gone wrong with a run that would go on unnoticed."""

from __future__ import annotations

from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from visionthink_pl.callbacks.lost_calls import LOST, LostCalls
from visionthink_pl.callbacks.rollout import RolloutCallback
from visionthink_pl.training import gathered
from visionthink_pl.types import PromptBatch, RolloutBatch, RunStopped, StopReason
from visionthink_pl.types.limits import NonNegativeInt, limited

CUT_OFF = 5  # draws in a row
KL_AWAY = 5
NO_SIGNAL = 10
KL_LIMIT = 5.0  # nats per token; of one trajectory, so that it jumps: docs/reliability.md


class Alarms(Callback):
    """Warns of a run that learns nothing or forgets what its base could do. Each alarm speaks once,
    when what it looks for has held for some draws in a row, and again if it comes back later.

    Every response cut off: in 5 draws no turn of any trajectory ended by itself. The KL runs away:
    in 5 draws the estimate to the reference was above 5 nats per token. No signal: in 10 draws no
    group was trained on, as all its rewards were equal. Calls are gone: in 10 draws at most 1% of
    the trajectories called a tool, or at least 99%, and accuracy is no higher than at first.

    Args:
        stop_without_signal: draws in a row without signal after which the run stops, with a
            checkpoint, since it samples, and may pay a judge, and learns nothing; 0 never.
    """

    @limited("alarms")
    def __init__(self, stop_without_signal: NonNegativeInt = 100) -> None:
        self._stop = stop_without_signal
        self._held = {"cut_off": 0, "kl": 0, "no_signal": 0}
        self._lost = LostCalls()

    def state_dict(self) -> dict[str, Any]:
        return {**self._held, "lost_calls": self._lost.state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._lost.state = state_dict["lost_calls"]
        self._held = {name: state_dict[name] for name in self._held}

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: PromptBatch,
        batch_idx: int,
    ) -> None:
        rollouts = batch.rollouts
        assert rollouts is not None
        figures = trainer.callback_metrics
        kl = max(float(figures.get(name, 0.0)) for name in ("loss/kl", "train/kl"))
        signal = float(figures["train/groups_with_signal"])
        if self._holds("cut_off", all(gathered(_cut_off(rollouts)))) == CUT_OFF:
            rank_zero_warn(_cut_off_words(trainer))
        if self._holds("kl", kl > KL_LIMIT) == KL_AWAY:
            rank_zero_warn(_kl_words(kl))
        if any(gathered(_offered(rollouts))) and "train/accuracy" in figures:
            self._see_calls(float(figures["train/resize_rate"]), float(figures["train/accuracy"]))
        without = self._holds("no_signal", signal == 0)
        if without == NO_SIGNAL:
            rank_zero_warn(_no_signal_words(without))
        if self._stop and without >= self._stop:
            why = f"{_no_signal_words(without)} (alarms.stop_without_signal)"
            raise RunStopped(why, by_all=True)

    def _see_calls(self, rate: float, accuracy: float) -> None:
        if self._lost.see(rate, accuracy):
            rank_zero_warn(_lost_words(rate))

    def _holds(self, name: str, now: bool) -> int:
        """For how many draws in a row it has held."""
        self._held[name] = self._held[name] + 1 if now else 0
        return self._held[name]


def _offered(rollouts: RolloutBatch) -> bool:
    """Whether any prompt offered a tool."""
    return any(t.tools_offered for group in rollouts.groups for t in group.trajectories)


def _lost_words(rate: float) -> str:
    few = rate < 0.5
    return (
        f"In {LOST} draws {'at most 1%' if few else 'at least 99%'} of the trajectories called a "
        "tool, and accuracy is no higher than at first: the policy no longer chooses, and does not "
        f"come back by itself. {'Penalise rare calls less' if few else 'Compare choices'}: "
        "ResizePenalty with measure: accuracy and fades_below: 0.5, and a std_floor "
        "(docs/when-calls-die.md)."
    )


def _cut_off(rollouts: RolloutBatch) -> bool:
    stops = [t.stop for group in rollouts.groups for t in group.trajectories]
    return all(stop is StopReason.OUT_OF_TOKENS for stop in stops)


def _cut_off_words(trainer: Trainer) -> str:
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    rollout = next(one for one in callbacks if isinstance(one, RolloutCallback))
    return (
        f"In {CUT_OFF} draws every response was cut off at rollout.max_new_tokens: "
        f"{rollout.sampling.max_new_tokens}. Raise it, or use a base model that ends its turns: "
        "trajectories/ in the log folder shows what it writes."
    )


def _kl_words(kl: float) -> str:
    return (
        f"The KL to the reference has been above {KL_LIMIT:g} nats per token for {KL_AWAY} draws, "
        f"now {kl:.2f}: the policy forgets what its base could do. Lower model.optimizer.lr, or "
        "set kl_coefficient of model.loss above 0."
    )


def _no_signal_words(draws: int) -> str:
    return (
        f"In {draws} draws no group had signal: all its rewards were equal, so that nothing was "
        "trained. If they are all 0 the prompts are too hard or the rewards too strict; if they "
        "are all at their highest nothing is left to learn. Look at train/reward and its parts, "
        "raise rollout.group_size or rollout.temperature, or choose prompts by the verb prepare."
    )
