"""Fills ``batch.rollouts``: engine, then rewards, before any step sees the batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from visionthink_pl.callbacks.checks import check_rewards, check_tools
from visionthink_pl.callbacks.interruption import Interruption, say
from visionthink_pl.callbacks.preparing import Preparation
from visionthink_pl.callbacks.screening import Screening
from visionthink_pl.data import PromptDataModule
from visionthink_pl.images import FirstView, HalfView, PixelLimits
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.rewards import FormatReward, ResizePenalty, Reward, RuleAccuracy, score_groups
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.prompt_files import TOOLS_SLOT, read_prompt
from visionthink_pl.training import DropEmpty, Filter, Selection
from visionthink_pl.training.ranks import gathered
from visionthink_pl.types import (
    ConfigError,
    Group,
    PromptBatch,
    RolloutBatch,
    RunStopped,
    Trajectory,
    VQASample,
)
from visionthink_pl.types.limits import PositiveInt, limited
from visionthink_pl.types.memory import JUDGE_REMEDY, memory_for
from visionthink_pl.visual_tools import ResizeImage, VisualTool


class RolloutCallback(Callback):
    """Samples grouped multi-turn trajectories and scores them.

    In training each prompt is rolled out ``group_size`` times; in validation, test and
    prediction once, greedily.

    Args:
        group_size: G, rollouts of one prompt in training; at least 2.
        max_turns: assistant turns a trajectory may have.
        max_new_tokens: tokens that one turn may have.
        max_prompt_tokens: tokens that a prompt may have, those of the first look included; a
            sample with a longer one is a bad row. ``null`` for any number.
        temperature: of sampling, above 0 (paper: 1.0).
        rewards: parts of the reward, in order; by default accuracy by rules, format, and the
            resize penalty as in Eq. 5.
        filters: what is left out of training once it has been scored and counted; by default
            empty responses.
        max_draws: draws of prompts over which groups with signal are gathered until they are as
            many as one draw has prompts; 1 trains on what each draw yields.
        tools: what the model may call; by default the paper's ``resize_image``.
        prompt: system prompt where a tool is on offer: the name of one that ships, or a text
            file, with the slot {tools}.
        prompt_without_tools: system prompt where none is.
        first_view: what the model is shown first; by default half the width and height.
        limits: pixel limits of the full image, the same in every stage.
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
        max_turns: PositiveInt = 2,
        max_new_tokens: PositiveInt = 512,
        max_prompt_tokens: PositiveInt | None = None,
        temperature: Annotated[float, Gt(0), "evaluation is greedy anyway"] = 1.0,
        rewards: list[Reward] | None = None,
        filters: list[Filter] | None = None,
        max_draws: PositiveInt = 1,
        tools: list[VisualTool] | None = None,
        prompt: str = "look_closer",
        prompt_without_tools: str = "one_look",
        first_view: FirstView | None = None,
        limits: PixelLimits = PixelLimits(),  # noqa: B008 (frozen)
        rows: PositiveInt = 64,
        seed: int = 0,
    ) -> None:
        default = [RuleAccuracy(), FormatReward(), ResizePenalty()]
        self.rewards = default if rewards is None else rewards
        self.filters = [DropEmpty()] if filters is None else filters
        self.tools = [ResizeImage()] if tools is None else tools
        self.first_view = HalfView() if first_view is None else first_view
        self.prompt, self.prompt_without_tools = (
            read_prompt(prompt, "rollout.prompt"),
            read_prompt(prompt_without_tools, "rollout.prompt_without_tools"),
        )
        check_rewards(self.rewards)
        check_tools(self.tools, prompt, self.prompt, self.first_view, max_turns)
        if TOOLS_SLOT in self.prompt_without_tools:
            raise ConfigError(
                f"rollout.prompt_without_tools: {prompt_without_tools!r} has the slot "
                f"{TOOLS_SLOT}, but no tool to fill it; take 'one_look' or the like"
            )
        self.group_size, self.limits, self.temperature = group_size, limits, temperature
        self.sampling = Sampling(max_turns, max_new_tokens, rows, seed)
        self.draw = 0
        self.max_draws, self._selection = max_draws, Selection(self.filters, max_draws)
        self.screening = Screening(max_prompt_tokens)
        self._interruption = Interruption()
        self._fit_follows = False

    @property
    def waiting(self) -> int:
        """How many groups wait for more draws, over all ranks."""
        return self._selection.waiting

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Get the rewards ready, and look for bad rows before training. The policy forms the
        distribution; this callback only says what it should be.

        Raises:
            ConfigError: more than ``data.max_bad_rows`` are bad.
        """
        assert isinstance(pl_module, VisionThinkModule)
        if pl_module.temperature != self.temperature:
            raise ConfigError(
                f"temperature: {self.temperature} in RolloutCallback and {pl_module.temperature} "
                "in VisionThinkModule; what is sampled must be what is trained"
            )
        self._selection = Selection(self.filters, self.max_draws)  # nothing of an earlier run
        if stage != "predict":
            with memory_for("loading", "the rewards' own models", [JUDGE_REMEDY]):
                for reward in self.rewards:
                    reward.setup()
        data = trainer.datamodule  # type: ignore[attr-defined]
        if (stage == "fit" or self._fit_follows) and isinstance(data, PromptDataModule):
            self.screening.check(data, self.conversation(pl_module), trainer)
        if isinstance(data, PromptDataModule) and data.workers:
            data.prepare = Preparation(self.conversation(pl_module), pl_module.family)

    def fit_follows(self) -> None:
        """A validation comes first: the training rows are looked at before that, and before any
        weights are loaded."""
        self._fit_follows = True

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell of all rows left out, those of the validation before training among them."""
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
        self._interruption.watch()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._interruption.ignore()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: PromptBatch, batch_idx: int
    ) -> None:
        rollouts = self._roll_out(trainer, pl_module, batch, self.group_size, self.rewards)
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
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: PromptBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        batch.rollouts = self._roll_out(trainer, pl_module, batch, None, self.rewards)

    on_test_batch_start = on_validation_batch_start

    def on_predict_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: PromptBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Nothing is scored: there may be no ground truth, and nobody asks."""
        batch.rollouts = self._roll_out(trainer, pl_module, batch, None, rewards=[])

    def _roll_out(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: PromptBatch,
        group_size: int | None,
        rewards: Sequence[Reward],
    ) -> RolloutBatch:
        """Sample ``group_size`` trajectories a prompt, or decode one greedily, and score them."""
        started = time.perf_counter()
        assert isinstance(pl_module, VisionThinkModule)
        groups: list[Group] = []
        stopped: RunStopped | None = None
        try:
            self.screening.leave_out(batch, self.conversation(pl_module), trainer)
            with self._interruption.harmless():
                groups = self._sample(trainer, pl_module, batch, group_size, rewards)
                with memory_for("scoring", f"{len(groups)} groups", [JUDGE_REMEDY]):
                    score_groups(groups, rewards)
        except RunStopped as error:
            stopped = error
        _stop_together(trainer, stopped)
        seconds, parts = time.perf_counter() - started, tuple(reward.name for reward in rewards)
        return RolloutBatch(groups, self.draw, seconds, parts=parts)

    def _sample(
        self,
        trainer: Trainer,
        pl_module: VisionThinkModule,
        batch: PromptBatch,
        group_size: int | None,
        rewards: Sequence[Reward],
    ) -> list[Group]:
        """Hooks run outside the precision context: without entering it, what is sampled and what
        is trained on would be computed differently."""
        engine, (batch.pixels, pixels) = self.engine(pl_module), ([], batch.pixels)
        assert pl_module.policy is not None
        pl_module.policy.features.offer(pixels)
        with self._memory(batch, group_size or 1), trainer.precision_plugin.forward_context():
            return engine.rollout(
                batch.samples,
                group_size or 1,
                self.draw,
                greedy=group_size is None,
                ended=_beginning(rewards),
            )

    def _memory(self, batch: PromptBatch, group_size: int) -> AbstractContextManager[None]:
        at_once = min(self.sampling.rows, len(batch.samples) * group_size)
        sizes = (
            f"{at_once} trajectories at once of up to {self.sampling.max_turns} turns of "
            f"{self.sampling.max_new_tokens} tokens, and images of up to "
            f"{self.limits.max_pixels:,} pixels"
        )
        remedies = ["lower rollout.limits.max_pixels or rollout.max_new_tokens"]
        if at_once > group_size:
            fewer = max(at_once // 2, group_size)
            remedies.insert(0, f"lower rollout.rows to {fewer}")
        return memory_for("the rollout", sizes, remedies)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """A run that has to stop goes on from here: from the batch that could not be scored."""
        self._interruption.ignore()
        if not isinstance(exception, ConfigError):  # which says itself what is wrong
            self.screening.report()
        if not isinstance(exception, RunStopped) or trainer.state.fn != TrainerFn.FITTING:
            return
        path = Path(trainer.log_dir or trainer.default_root_dir) / "checkpoints" / "stopped.ckpt"
        trainer.save_checkpoint(path)
        say(f"The run has stopped. To go on, add --ckpt_path {path}")

    def engine(self, pl_module: LightningModule) -> RolloutEngine:
        """The engine that this callback samples with, around the module's policy."""
        assert isinstance(pl_module, VisionThinkModule) and pl_module.policy is not None
        return RolloutEngine(pl_module.policy, self.conversation(pl_module), self.sampling)

    def conversation(self, module: VisionThinkModule) -> Conversation:
        """What the model is told and shown, by this callback's options."""
        return Conversation(
            module.family,
            self.tools,
            self.prompt,
            self.prompt_without_tools,
            self.first_view,
            self.limits,
        )


def _stop_together(trainer: Trainer, stopped: RunStopped | None) -> None:
    """Where one rank can't go on, all stop, and write the checkpoint together.

    Raises:
        RunStopped: it, or that of another rank.
    """
    reasons = gathered(None if stopped is None else str(stopped))
    if stopped is not None:
        raise stopped
    for rank, reason in enumerate(reasons):
        if reason is not None:
            raise RunStopped(f"rank {rank}: {reason}")


def _beginning(rewards: Sequence[Reward]) -> Callable[[VQASample, Trajectory], None]:
    """What is done with a trajectory that ends."""

    def begin(sample: VQASample, trajectory: Trajectory) -> None:
        for reward in rewards:
            reward.begin(sample, trajectory)

    return begin
