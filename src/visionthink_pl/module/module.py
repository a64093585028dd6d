"""The LightningModule: hooks around ``training.update``, which is the training step."""

from __future__ import annotations

import time

from lightning import Trainer

from visionthink_pl.families import Family, load_family
from visionthink_pl.internals.lightning import trainer_of
from visionthink_pl.losses import GRPOLoss, Loss
from visionthink_pl.module.checkpoints import CheckpointedModule
from visionthink_pl.module.checks import BASE_DTYPES, check_trainer
from visionthink_pl.module.evaluation import rollouts_of
from visionthink_pl.module.log import log_step
from visionthink_pl.module.stepping import backend_of, optimizer_of, set_rate, steps_left
from visionthink_pl.policy import Full, Lora, check_loadable, load_policy
from visionthink_pl.training import AdamW, OptimizerConfig, PolicyUpdate, Remedies, UpdateOptions
from visionthink_pl.training.advantages import Advantages, Normalisation, chosen
from visionthink_pl.training.metrics import rollout_figures
from visionthink_pl.types import ConfigError, PromptBatch
from visionthink_pl.types.limits import NonNegativeFloat, NonNegativeInt, PositiveInt, limited
from visionthink_pl.types.memory import memory_for


class VisionThinkModule(CheckpointedModule):
    """Policy and frozen reference, trained by GRPO on the rollouts that it is handed.

    Args:
        pretrained: ``embedded``, a local folder, or a hub id.
        family: class of the model family; by default found by the checkpoint's ``model_type``.
        trust_remote_code: run code that comes with the checkpoint; without it none is run.
        lora: the adapters, which are what is trained; ``null`` trains all weights of the language
            model.
        train_vision_tower: under full fine-tuning, whether the vision tower is trained too.
        loss: the policy loss.
        normalisation: of advantages. ``std``: difference to the group's mean over its std (the
            paper's); ``parts``: so of each part; ``mean``, ``leave_one_out``: the difference alone.
        advantages: a class of your own in place of ``normalisation``; sees a group and its parts.
        std_floor: least std that the rewards of a group are divided by, in units of reward; 0 is
            the paper's.
        updates_per_batch: optimizer steps a rollout batch, each on a part of its groups with
            signal (paper: 16, 512 prompts in parts of 32).
        optimizer: what the weights are stepped by, AdamW's settings, or a class of your own.
        micro_batch_size: trajectories in one forward and backward pass; memory grows with it,
            the gradient does not depend on it. Groups that fit stay whole, so that each prompt is
            read once.
        gradient_checkpointing: compute activations again in the backward pass, a layer at a time,
            rather than keep them: less memory, about a third more time. A number n does so for
            every n-th layer alone; 0 is ``false``.
        max_grad_norm: the gradient is scaled down to at most this norm; 0 leaves it alone.
        max_bad_steps: optimizer steps in a row that may be skipped, since a loss, gradient, log-
            probability or advantage is not finite, before the run stops.
        temperature: of the distribution that is sampled from and trained (paper: 1.0). Set from
            ``rollout.temperature`` on the command line.
        kinds: of samples, that metrics are split by. Set from the data on the command line.
    """

    @limited("model")
    def __init__(
        self,
        pretrained: str = "embedded",
        family: type[Family] | None = None,
        trust_remote_code: bool = False,
        lora: Lora | None = Lora(),  # noqa: B008 (frozen)
        train_vision_tower: bool = False,
        loss: Loss | None = None,
        normalisation: Normalisation = "std",
        std_floor: NonNegativeFloat = 0.0,
        advantages: Advantages | None = None,
        updates_per_batch: PositiveInt = 1,
        optimizer: OptimizerConfig = AdamW(),  # noqa: B008 (frozen)
        micro_batch_size: PositiveInt = 8,
        gradient_checkpointing: bool | NonNegativeInt = False,
        max_grad_norm: NonNegativeFloat = 1.0,
        max_bad_steps: PositiveInt = 3,
        temperature: float = 1.0,
        kinds: tuple[str, ...] = (),
    ) -> None:
        if train_vision_tower and lora is not None:
            raise ConfigError(
                "model.train_vision_tower: only under full fine-tuning, with model.lora: null"
            )
        tuning = Full(train_vision_tower) if lora is None else lora
        super().__init__(tuple(kinds), tuning, optimizer, max_bad_steps)
        self.automatic_optimization = False
        self.pretrained, self.temperature = pretrained, temperature
        self.checkpointing = int(gradient_checkpointing)
        quantizes = lora is not None and lora.quantization is None
        self.options = UpdateOptions(
            GRPOLoss() if loss is None else loss,
            chosen(advantages, normalisation, std_floor),
            updates_per_batch,
            micro_batch_size,
            max_grad_norm,
            Remedies(self.checkpointing == 1, quantizes, optimizer.remedy),
        )
        self.family = load_family(pretrained, family, trust_remote_code)
        check_loadable(pretrained, self.family, self.tuning)

    def setup(self, stage: str) -> None:
        super().setup(stage)
        self.check(self.trainer)

    def check(self, trainer: Trainer) -> None:
        """Refuse a trainer that can't train this, before any weights are loaded."""
        check_trainer(trainer, self.optimizer_config)

    def configure_model(self) -> None:
        """Load the weights, once."""
        if self.policy is not None:
            return
        trainer = trainer_of(self)  # there is none in load_from_checkpoint
        dtype = BASE_DTYPES[str(trainer.precision) if trainer else "32-true"]
        needs_reference = self.options.loss.kl_coefficient > 0
        remedies = self.options.remedies.for_pass(rows=1)
        with memory_for("loading", f"the weights of {self.pretrained}", remedies):
            self.policy = load_policy(
                self.pretrained, self.family, self.tuning, self.temperature, dtype, needs_reference
            )
        if self.checkpointing:
            self.policy.checkpoint_layers(self.checkpointing)

    def training_step(self, batch: PromptBatch, batch_idx: int) -> None:
        """Take the optimizer steps on the groups that were kept; without any, take none."""
        rollouts = rollouts_of(batch)
        started = time.perf_counter()
        figures = self.update.run(
            rollouts.kept,
            optimizer_of(self),
            schedule=lambda done: self._set_rate(batch_idx + done),
            most=steps_left(self.trainer),
        )
        self._set_rate(batch_idx + 1)  # for whoever looks at it, and the end of training
        figures["time/update_s"] = time.perf_counter() - started
        figures["optimizer_step"] = self.global_step
        figures |= rollout_figures(rollouts, len(batch.unreadable), self.kinds)
        if not rollouts.kept.waiting:  # those that wait are trained on later
            self.loaded.forget_images()
        log_step(self, figures, rollouts.draw)

    @property
    def update(self) -> PolicyUpdate:
        """The training step, with the trainer's precision and ranks."""
        backend = backend_of(self, self.between_passes)
        return PolicyUpdate(self.loaded, self.options, backend, self.bad_steps)

    def _set_rate(self, batches: float) -> None:
        most = self.options.updates_per_batch
        set_rate(self, self.optimizer_config, self.as_built, most, batches)
