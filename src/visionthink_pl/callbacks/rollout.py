"""Fills ``batch.rollouts``: engine, then rewards, before any step sees the batch."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge, Gt
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from visionthink_pl.callbacks.group_sampler import GroupSampler
from visionthink_pl.callbacks.interruption import Interruption
from visionthink_pl.callbacks.preparing import Preparation
from visionthink_pl.callbacks.scored_predictions import PredictedAccuracy
from visionthink_pl.callbacks.screening import Screening
from visionthink_pl.data import PromptDataModule
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.rewards import FormatReward, ResizePenalty, Reward, RuleAccuracy
from visionthink_pl.rewards.scoring import check_rewards
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.truncation import Truncation
from visionthink_pl.training import DropEmpty, Filter, GroupSelection
from visionthink_pl.types import ConfigError, PromptBatch, RunStopped
from visionthink_pl.types.limits import NonNegativeInt, PositiveInt, Share, TopP, limited


class RolloutCallback(Callback):
    """Samples grouped multi-turn trajectories and scores them.

    In training each prompt is rolled out ``group_size`` times, elsewhere once, greedily. Further
    options are those of ``ConversationOptions``: what the model is shown and told.

    Args:
        group_size: G, rollouts of one prompt in training; at least 2.
        temperature: of sampling, above 0 (paper: 1.0).
        top_k: sample from this many of the most likely ids; 0 for all. ``docs/sampling.md`` says
            what this and the next two do to training.
        top_p: sample from the fewest ids that have this share of the probability; 1 for all.
        min_p: sample from ids at least so many times as likely as the likeliest; 0 for all.
        rewards: parts of the reward, in order; by default accuracy by rules, format, and the
            resize penalty as in Eq. 5.
        filters: what is left out of training once it has been scored and counted; by default
            empty responses.
        max_draws: draws of prompts over which groups with signal are gathered until they are as
            many as one draw has prompts; 1 trains on what each draw yields.
        rows: trajectories generated at once, in whole groups; memory grows with it, what is
            sampled does not depend on it.
        seed: of sampling. Set from ``seed_everything`` on the command line.
    """

    @limited("rollout")
    def __init__(
        self,
        group_size: Annotated[
            int, Ge(2), "an advantage is measured against the rest of the group"
        ] = 8,
        temperature: Annotated[float, Gt(0), "evaluation is greedy anyway"] = 1.0,
        top_k: NonNegativeInt = 0,
        top_p: TopP = 1.0,
        min_p: Share = 0.0,
        rewards: list[Reward] | None = None,
        filters: list[Filter] | None = None,
        max_draws: PositiveInt = 1,
        rows: PositiveInt = 64,
        seed: int = 0,
        **conversation: Any,
    ) -> None:
        default = [RuleAccuracy(), FormatReward(), ResizePenalty()]
        self.rewards = default if rewards is None else rewards
        self.filters = [DropEmpty()] if filters is None else filters
        check_rewards(self.rewards)
        accuracy = [r for r in self.rewards if r.name == "accuracy" and not r.needs]
        self._predicted = [PredictedAccuracy(reward) for reward in accuracy]
        self.options = ConversationOptions(**conversation)
        self.sampling = self.options.sampling(rows, seed, Truncation(top_k, top_p, min_p))
        self.group_size, self.temperature, self.max_draws = group_size, temperature, max_draws
        self.draw = 0
        self.screening = Screening()
        self._interruption = Interruption()
        self.sampler = GroupSampler(self.options, self.sampling, self.screening, self._interruption)
        self._selection = GroupSelection(self.filters, max_draws)
        self._fit_follows = False

    @property
    def waiting(self) -> int:
        """How many groups wait for more draws, over all ranks."""
        return self._selection.waiting

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Get the rewards ready, and look for bad rows before training. The policy forms the
        distribution; this callback only says what it should be.

        Raises:
            ConfigError: more than ``data.max_bad_rows`` are bad, the model's family could never be
                offered a tool, or processes would not wait for a judge.
        """
        assert isinstance(pl_module, VisionThinkModule)
        if pl_module.temperature != self.temperature:
            raise ConfigError(
                f"temperature: {self.temperature} in RolloutCallback and {pl_module.temperature} "
                "in VisionThinkModule; what is sampled must be what is trained"
            )
        pl_module.parts = tuple(reward.name for reward in self.rewards)
        pl_module.tools = self.options.tool_names
        pl_module.between_passes = self._interruption.between_passes
        conversation = self.sampler.conversation(pl_module)
        self._selection = GroupSelection(self.filters, self.max_draws)  # nothing of an earlier run
        if stage != "predict":
            self.sampler.set_up(trainer, self.rewards)
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, PromptDataModule):
            return
        if stage == "fit" or self._fit_follows:
            self.screening.check(data, conversation, trainer)
        if data.workers:
            data.prepare = Preparation(conversation, pl_module.family)

    def fit_follows(self) -> None:
        """A validation comes first: the training rows are looked at before that, and before any
        weights are loaded."""
        self._fit_follows = True

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report all rows left out, those of the validation before training among them."""
        self.screening.report()

    on_test_end = on_predict_end = on_fit_end

    def state_dict(self) -> dict[str, Any]:
        return {"draw": self.draw}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.draw = state_dict["draw"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, PromptDataModule):
            data.check_loader()
        self._interruption.watch(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._interruption.ignore()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != TrainerFn.FITTING:
            self._interruption.watch(trainer)

    on_test_start = on_predict_start = on_validation_start

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: PromptBatch, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, VisionThinkModule)
        rollouts = self.sampler(trainer, pl_module, batch, self.group_size, self.draw, self.rewards)
        prompts = len(batch.samples) + len(batch.unreadable)
        last = trainer.is_last_batch and trainer.current_epoch + 1 == trainer.max_epochs
        self._selection.select(rollouts, prompts, last)
        batch.rollouts = rollouts

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Only now is the batch done with: checkpoints are written after this."""
        self.draw += 1
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, PromptDataModule):
            data.used()

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: PromptBatch, *_: Any, **__: Any
    ) -> None:
        assert isinstance(pl_module, VisionThinkModule)
        batch.rollouts = self.sampler(trainer, pl_module, batch, None, self.draw, self.rewards)

    on_test_batch_start = on_validation_batch_start

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: PromptBatch, *_: Any, **__: Any
    ) -> None:
        """Accuracy alone is scored, and only where there is a ground truth."""
        assert isinstance(pl_module, VisionThinkModule)
        for reward in self._predicted:
            reward.expect(batch.samples)
        batch.rollouts = self.sampler(trainer, pl_module, batch, None, self.draw, self._predicted)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Write a checkpoint that begins with the batch that could not be scored."""
        if not isinstance(exception, ConfigError):  # which says itself what is wrong
            self.screening.report()
        if not isinstance(exception, RunStopped) or trainer.state.fn != TrainerFn.FITTING:
            self._interruption.ignore()
            return
        lost = f"; groups that waited for more draws are lost: {self.waiting}"
        self._interruption.end(trainer, exception, lost if self.waiting else "")
