"""Rollouts of a batch: prompts opened, trajectories sampled and scored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import torch
from lightning import Trainer

from visionthink_pl.callbacks.interruption import Interruption
from visionthink_pl.callbacks.patience import check_patience
from visionthink_pl.callbacks.screening import Screening
from visionthink_pl.callbacks.tool_failures import ToolFailures
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.rewards import Reward, score_groups
from visionthink_pl.rewards.scoring import set_up
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.opening import Opening
from visionthink_pl.training import gathered
from visionthink_pl.types import (
    ConfigError,
    Group,
    PromptBatch,
    RolloutBatch,
    RunStopped,
    Trajectory,
    VQASample,
)
from visionthink_pl.types.memory import JUDGE_REMEDY, memory_for


@dataclass(frozen=True)
class GroupSampler:
    """Samples groups of trajectories and scores them.

    Attributes:
        options: what the model is shown and told.
        sampling: lengths and seed.
        screening: leaves out bad rows.
        interruption: stops a rollout where somebody asks for it.
        tool_failures: follows the calls.
    """

    options: ConversationOptions
    sampling: Sampling
    screening: Screening
    interruption: Interruption
    tool_failures: ToolFailures = field(default_factory=ToolFailures)

    def set_up(self, trainer: Trainer, rewards: Sequence[Reward]) -> None:
        """Get the rewards ready.

        Raises:
            ConfigError: something they need isn't there, or processes would not wait for a judge.
        """
        check_patience(trainer, rewards)
        set_up(rewards)

    def __call__(
        self,
        trainer: Trainer,
        module: VisionThinkModule,
        batch: PromptBatch,
        group_size: int | None,
        draw: int,
        rewards: Sequence[Reward],
    ) -> RolloutBatch:
        """Sample ``group_size`` trajectories a prompt, or decode one greedily, and score them.

        Raises:
            ConfigError: the batch is none of ours.
            RunStopped: this rank, or another one, can't go on.
        """
        if not isinstance(batch, PromptBatch):
            raise ConfigError(
                f"dataloaders: each batch must be a PromptBatch, not {type(batch).__name__}; "
                "PromptDataModule makes them of any source"
            )
        started = sampled = time.perf_counter()
        groups: list[Group] = []
        stopped: RunStopped | None = None
        bad: list[str] = []
        try:
            openings = self._open(trainer, module, batch, group_size or 1)
            with self.interruption.harmless():
                groups = self._sample(trainer, module, batch, openings, group_size, draw, rewards)
                sampled = time.perf_counter()
                self.tool_failures.see(groups)
                bad = _damaged(groups)
                with memory_for("scoring", f"{len(groups)} groups", [JUDGE_REMEDY]):
                    score_groups([] if bad else groups, rewards, keep_bad=group_size is not None)
        except RunStopped as error:
            stopped = error
        if bad := _together(stopped, bad):
            module.bad_steps.skipped("not finite are log-probabilities as sampled", bad)
            groups = [_unscored(group, rewards) for group in groups]
        ended, parts = time.perf_counter(), tuple(reward.name for reward in rewards)
        times = ended - started, ended - sampled
        return RolloutBatch(
            groups, draw, *times, module.weights_step, parts, self.options.tool_names
        )

    def conversation(self, module: VisionThinkModule) -> Conversation:
        """The conversation for the module's family."""
        return Conversation(module.family, self.options)

    def engine(self, module: VisionThinkModule) -> RolloutEngine:
        """The engine around the module's policy."""
        return RolloutEngine(module.loaded, self.conversation(module), self.sampling)

    def _open(
        self, trainer: Trainer, module: VisionThinkModule, batch: PromptBatch, group_size: int
    ) -> list[Opening]:
        """Open the prompts in the context that they are rolled out in: a first view may compute."""
        context = trainer.precision_plugin.forward_context()
        with self._memory(len(batch.samples), group_size), torch.no_grad(), context:
            return self.screening.open(batch, self.conversation(module), trainer)

    def _sample(
        self,
        trainer: Trainer,
        module: VisionThinkModule,
        batch: PromptBatch,
        openings: Sequence[Opening],
        group_size: int | None,
        draw: int,
        rewards: Sequence[Reward],
    ) -> list[Group]:
        """Hooks run outside the precision context: without entering it, what is sampled and what
        is trained on would be computed differently."""
        prepared, batch.pixels = batch.pixels, []
        module.loaded.offer(prepared)
        size, greedy = group_size or 1, group_size is None
        engine, begin = self.engine(module), _begin(rewards)
        with self._memory(len(openings), size), trainer.precision_plugin.forward_context():
            return engine.roll_out(openings, size, draw, greedy, begin, keep_bad=not greedy)

    def _memory(self, prompts: int, group_size: int) -> AbstractContextManager[None]:
        at_once = min(self.sampling.rows, prompts * group_size)
        sizes = (
            f"{at_once} trajectories at once of up to {self.sampling.max_turns} turns of "
            f"{self.sampling.max_new_tokens} tokens, and images of up to "
            f"{self.options.limits.max_pixels:,} pixels"
        )
        remedies = ["lower rollout.limits.max_pixels or rollout.max_new_tokens"]
        if at_once > group_size:
            fewer = max(at_once // 2, group_size)
            remedies.insert(0, f"lower rollout.rows to {fewer}")
        return memory_for("the rollout", sizes, remedies)


def _begin(rewards: Sequence[Reward]) -> Callable[[VQASample, Trajectory], None]:
    """Hands each trajectory that ends to the rewards that can begin with it."""

    def begin(sample: VQASample, trajectory: Trajectory) -> None:
        for reward in rewards:
            reward.begin(sample, trajectory)

    return begin


def _together(stopped: RunStopped | None, bad: list[str]) -> list[str]:
    """Where one rank can't go on, all stop, and write the checkpoint together.

    Returns:
        The damaged samples of all ranks.

    Raises:
        RunStopped: it, or that of another rank.
    """
    own = None if stopped is None else (str(stopped), stopped.exit_code)
    ranks = gathered((own, bad))
    for rank, (reason, _) in enumerate(ranks):
        if reason is not None:
            message, code = reason
            named = f"rank {rank}: {message}" if len(ranks) > 1 else message
            raise RunStopped(named, code, by_all=True) from stopped
    return [sample for _, samples in ranks for sample in samples]


def _damaged(groups: Sequence[Group]) -> list[str]:
    """Samples that were given log-probabilities which are not finite."""
    return [
        repr(group.sample.id)
        for group in groups
        if not all(math.isfinite(v) for t in group.trajectories for v in t.logprobs)
    ]


def _unscored(group: Group, rewards: Sequence[Reward]) -> Group:
    """Without rewards it is not trained on."""
    nothing: list[float | None] = [None] * len(group.trajectories)
    parts = {reward.name: list(nothing) for reward in rewards}
    return replace(group, parts=parts, rewards=nothing)
