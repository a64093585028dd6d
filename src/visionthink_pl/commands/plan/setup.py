"""All that memory and work of a step depend on, and single changes to it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from visionthink_pl.callbacks import RolloutCallback
from visionthink_pl.commands.parsing.verbs import PROMPT_TOKENS
from visionthink_pl.families import Family, resolve
from visionthink_pl.losses import Loss
from visionthink_pl.module import BASE_DTYPES, VisionThinkModule
from visionthink_pl.policy import Tuning
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.training import OptimizerConfig
from visionthink_pl.types.limits import NonNegativeInt, PositiveInt, Share, check_fields


@dataclass(frozen=True)
class Demand:
    """What the config leaves to the data.

    Args:
        prompt_tokens: text tokens of a prompt; at least those of the system prompt are taken.
            ``None`` for as many as ``rollout.max_prompt_tokens`` leaves beside the first look, or
            ``PROMPT_TOKENS`` where there is no such limit.
        ask_rate: share of the rollouts that call, where a tool is offered.
        looks: calls of each of them that show something; ``None`` for as many as there are turns
            for.
    """

    prompt_tokens: NonNegativeInt | None = None
    ask_rate: Share = 1.0
    looks: PositiveInt | None = None

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Setup:
    """A step of training.

    Attributes:
        path: of the checkpoint.
        family: of the checkpoint.
        tuning: what is trained.
        loss: whether it needs a reference, or entropies.
        dtype: of a frozen base; bf16 also is what is computed in.
        checkpointing: off, or every n-th layer.
        micro_batch_size: trajectories in one pass.
        optimizer: its settings.
        updates: optimizer steps a rollout batch.
        prompts: in a rollout batch.
        draws: rollout batches whose groups may wait for one another.
        group_size: rollouts of a prompt.
        rows: trajectories generated at once.
        max_turns: assistant turns that a trajectory may have.
        max_new_tokens: of a turn; each is taken to have them all.
        max_prompt_tokens: of text and first look; ``None`` for any number.
        max_pixels: of the full image; each is taken to have them all.
        min_pixels: of the full image.
        conversation: what prompts and tool responses look like.
        demand: what data would tell.
        gpu: whether it is for a GPU: optimizer and 4-bit layers take other ways there.
    """

    path: str
    family: Family
    tuning: Tuning
    loss: Loss
    dtype: torch.dtype
    checkpointing: int
    micro_batch_size: int
    optimizer: OptimizerConfig
    updates: int
    prompts: int
    draws: int
    group_size: int
    rows: int
    max_turns: int
    max_new_tokens: int
    max_prompt_tokens: int | None
    max_pixels: int
    min_pixels: int
    conversation: Conversation
    demand: Demand
    gpu: bool

    @classmethod
    def of(
        cls,
        module: VisionThinkModule,
        rollout: RolloutCallback,
        prompts: int,
        precision: str,
        demand: Demand,
        gpu: bool,
    ) -> Setup:
        """From what a run is built of; no weights are needed.

        Args:
            module: the module.
            rollout: the callback that samples.
            prompts: in a rollout batch.
            precision: of the trainer.
            demand: what data would tell.
            gpu: whether the step is taken on a GPU.
        """
        return cls(
            path=resolve(module.pretrained),
            family=module.family,
            tuning=module.tuning,
            loss=module.options.loss,
            dtype=BASE_DTYPES[precision],
            checkpointing=module.checkpointing,
            micro_batch_size=module.options.micro_batch_size,
            optimizer=module.optimizer_config,
            updates=module.options.updates_per_batch,
            prompts=prompts,
            draws=rollout.max_draws,
            group_size=rollout.group_size,
            rows=rollout.sampling.rows,
            max_turns=rollout.options.max_turns,
            max_new_tokens=rollout.options.max_new_tokens,
            max_prompt_tokens=rollout.options.max_prompt_tokens,
            max_pixels=rollout.options.limits.max_pixels,
            min_pixels=rollout.options.limits.min_pixels,
            conversation=rollout.sampler.conversation(module),
            demand=demand,
            gpu=gpu,
        )

    def text_tokens(self, visual_tokens: int) -> int:
        """Text tokens that a prompt is taken to have beside so many visual ones."""
        if self.demand.prompt_tokens is not None:
            return self.demand.prompt_tokens
        if self.max_prompt_tokens is None:
            return PROMPT_TOKENS
        return self.max_prompt_tokens - visual_tokens

    @property
    def looks(self) -> int:
        """Calls of a trajectory that show something, at most."""
        return self.max_turns - 1 if self.demand.looks is None else self.demand.looks

    @property
    def groups_at_once(self) -> int:
        """Groups that are generated at once."""
        return min(max(self.rows // self.group_size, 1), self.prompts)

    @property
    def trajectories(self) -> int:
        """N, in a rollout batch."""
        return self.prompts * self.group_size

    @property
    def in_one_pass(self) -> int:
        """Trajectories in one pass of the update, at most."""
        return min(self.micro_batch_size, self.trajectories)
