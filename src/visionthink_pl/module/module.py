"""The training step: advantages -> loss -> optimizer steps over micro-batches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.accelerators import CPUAccelerator, CUDAAccelerator
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import DDPStrategy, ParallelStrategy, SingleDeviceStrategy
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch import nn
from torch.optim import Optimizer

from visionthink_pl.families import Family, load_family
from visionthink_pl.internals.lightning import forget_loader, reopen_epoch, start_method
from visionthink_pl.losses import GRPOLoss, Loss
from visionthink_pl.module.checkpoints import check_fits
from visionthink_pl.module.evaluation import EvaluatedModule, rollouts_of
from visionthink_pl.policy import Full, Lora, check_loadable, load_policy
from visionthink_pl.training.advantages import Normalisation
from visionthink_pl.training.metrics import Tally, tally_rollouts, train_names
from visionthink_pl.training.optimizer import AdamW, TrainingLength
from visionthink_pl.training.ranks import gathered
from visionthink_pl.training.update import (
    Credited,
    StepFigures,
    StepTotals,
    credit,
    loss_inputs,
    micro_batches,
    split,
)
from visionthink_pl.types import ConfigError, PromptBatch, RolloutBatch
from visionthink_pl.types.limits import NonNegativeFloat, NonNegativeInt, PositiveInt, limited
from visionthink_pl.types.memory import memory_for, sizes_of

SUPPORTED_STRATEGIES = (SingleDeviceStrategy, DDPStrategy)  # what is derived does other things
BASE_DTYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}


class VisionThinkModule(EvaluatedModule):
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
            paper's). ``mean``: the difference alone. ``leave_one_out``: to the mean of the others.
        std_floor: least std that the rewards of a group are divided by, in units of reward; 0 is
            the paper's.
        updates_per_batch: optimizer steps a rollout batch, each on a part of its groups with
            signal (paper: 16, 512 prompts in parts of 32).
        optimizer: AdamW's settings.
        micro_batch_size: trajectories in one forward and backward pass; memory grows with it,
            the gradient does not depend on it. Groups that fit stay whole, so that each prompt is
            read once.
        gradient_checkpointing: compute activations again in the backward pass, a layer at a time,
            rather than keep them: less memory, about a third more time. A number n does so for
            every n-th layer alone; 0 is ``false``.
        max_grad_norm: the gradient is scaled down to at most this norm; 0 leaves it alone.
        temperature: of the distribution that is sampled from and trained (paper: 1.0). Set from
            ``rollout.temperature`` on the command line.
        kinds: every kind of sample that metrics are split by. Set from the data on the command
            line.
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
        updates_per_batch: PositiveInt = 1,
        optimizer: AdamW = AdamW(),  # noqa: B008 (frozen)
        micro_batch_size: PositiveInt = 8,
        gradient_checkpointing: bool | NonNegativeInt = False,
        max_grad_norm: NonNegativeFloat = 1.0,
        temperature: float = 1.0,
        kinds: tuple[str, ...] = (),
    ) -> None:
        super().__init__(tuple(kinds))
        if train_vision_tower and lora is not None:
            raise ConfigError(
                "model.train_vision_tower: only under full fine-tuning, with model.lora: null"
            )
        self.automatic_optimization = False
        self.strict_loading = False  # checkpoints hold what is trained alone
        self.tuning = Full(train_vision_tower) if lora is None else lora
        self.pretrained, self.adamw = pretrained, optimizer
        self.loss_function = GRPOLoss() if loss is None else loss
        self.normalisation, self.std_floor = normalisation, std_floor
        self.updates_per_batch, self.max_grad_norm = updates_per_batch, max_grad_norm
        self.micro_batch_size, self.temperature = micro_batch_size, temperature
        self.gradient_checkpointing = gradient_checkpointing
        self.family = load_family(pretrained, family, trust_remote_code)
        check_loadable(pretrained, self.family, self.tuning)

    def check(self, trainer: Trainer) -> None:
        """Refuse, before any weights are loaded, a trainer that would train something else.

        Raises:
            ConfigError: its precision, its devices or how it starts their processes, kernels that
                are not there, batches of its own choice, or a schedule without an end.
        """
        if trainer.precision not in BASE_DTYPES:
            raise ConfigError(
                f"trainer.precision: {' or '.join(BASE_DTYPES)}, not {trainer.precision}: "
                "what is trained stays in fp32"
            )
        if self.adamw.variant.startswith("paged") and isinstance(
            trainer.accelerator, CPUAccelerator
        ):
            raise ConfigError(
                f"model.optimizer.variant: {self.adamw.variant} moves its state out of a GPU, and "
                "there is none here; take torch or 8bit"
            )
        strict = torch.are_deterministic_algorithms_enabled()
        strict &= not torch.is_deterministic_algorithms_warn_only_enabled()
        if strict and isinstance(trainer.accelerator, CUDAAccelerator):
            raise ConfigError(
                "trainer.deterministic: warn, not true; ids are picked by a running sum, of which "
                "a GPU has no deterministic kernel"
            )
        if not isinstance(trainer.accelerator, CPUAccelerator | CUDAAccelerator):
            raise ConfigError(
                f"trainer.accelerator: cpu or cuda, not {type(trainer.accelerator).__name__}, "
                "which has no fp64 for picking ids"
            )
        if type(trainer.strategy) not in SUPPORTED_STRATEGIES:
            raise ConfigError(
                f"trainer.strategy: {type(trainer.strategy).__name__} is not supported; take auto "
                "on one device and ddp on several"
            )
        if isinstance(trainer.strategy, DDPStrategy) and start_method(trainer.strategy) != "popen":
            raise ConfigError(
                f"trainer.strategy: ddp, whose start method is popen, not "
                f"{start_method(trainer.strategy)}; in a notebook set trainer.devices to 1"
            )
        if trainer.overfit_batches:  # type: ignore[attr-defined]
            raise ConfigError(
                "trainer.overfit_batches: set trainer.limit_train_batches to the number of "
                "batches, and data.shuffle to false, so that each epoch draws the same prompts"
            )
        if self.adamw.schedule != "constant" and trainer.max_epochs == trainer.max_steps == -1:
            raise ConfigError(
                f"model.optimizer.schedule: {self.adamw.schedule} needs an end of training: set "
                "trainer.max_epochs or trainer.max_steps"
            )

    def setup(self, stage: str) -> None:
        self.check(self.trainer)

    def configure_model(self) -> None:
        """Load the weights, once."""
        if self.policy is None:
            dtype = BASE_DTYPES[str(self.trainer.precision)]
            needs_reference = self.loss_function.kl_coefficient > 0
            with memory_for("loading", f"the weights of {self.pretrained}", self._remedies(rows=1)):
                self.policy = load_policy(
                    self.pretrained,
                    self.family,
                    self.tuning,
                    self.temperature,
                    dtype,
                    needs_reference,
                )
            if self.gradient_checkpointing:
                self.policy.base.activation_checkpointing_enable(
                    {"use_reentrant": False}, every_n_layers=int(self.gradient_checkpointing)
                )

    def configure_optimizers(self) -> Optimizer:
        return self.adamw.build([p for p in self.parameters() if p.requires_grad])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is trained, and the adapter it started from; the base is loaded from where
        it came."""
        kept = self._kept()
        checkpoint["state_dict"] = {
            name: value for name, value in checkpoint["state_dict"].items() if name in kept
        }
        checkpoint["tuning"], checkpoint["optimizer"] = self.tuning.record(), self.adamw.record()

    def _kept(self) -> set[str]:
        return {name for name, p in self.named_parameters() if p.requires_grad or "lora_" in name}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Loading is not strict, since the base is not in the checkpoint: check what should be.
        Of the optimizer's settings those of the config hold; say which are others.

        Raises:
            ConfigError: the checkpoint's weights are not those that this run trains, or would not
                mean the same; or its optimizer's state is of no use to this run's.
        """
        kept, parameters = self._kept(), self.named_parameters()
        shapes = {name: tuple(p.shape) for name, p in parameters if name in kept}
        check_fits(checkpoint, self.tuning.record(), shapes)
        reopen_epoch(checkpoint)
        forget_loader(checkpoint)
        if self.trainer.state.fn != TrainerFn.FITTING:
            return  # nothing needs an optimizer
        if changes := self.adamw.changes(checkpoint.get("optimizer", {})):
            rank_zero_info(f"The resumed run goes on with {', '.join(changes)}.")

    def on_fit_start(self) -> None:
        self.train()  # Lightning leaves the mode alone, and checkpoints load in eval mode

    def on_train_start(self) -> None:
        """Behind the restoring of a checkpoint."""
        self.adamw.apply(self._optimizer().param_groups)

    def training_step(self, batch: PromptBatch, batch_idx: int) -> None:
        """Take the optimizer steps on the groups that were kept; without any, take none."""
        rollouts = rollouts_of(batch)
        started = time.perf_counter()
        figures = self._update(rollouts, batch_idx) if rollouts.kept_total else {}
        self._set_rate(batch_idx + 1)  # for whoever looks at it, and the end of all
        figures["time/update_s"] = time.perf_counter() - started
        figures["time/rollout_s"] = rollouts.rollout_s
        figures["rollout_step"] = rollouts.draw
        figures["optimizer_step"] = self.global_step
        figures["train/unreadable"] = sum(gathered(self.trainer, len(batch.unreadable)))
        figures["train/waiting_groups"] = rollouts.waiting
        figures["train/surplus_groups"] = rollouts.surplus
        figures |= self._rollout_metrics(rollouts)
        if not rollouts.waiting:  # those that wait are trained on later
            self._policy().forget_images()
        self.log_dict(figures, logger=False, batch_size=1)  # for callbacks that monitor
        self._write(figures, rollouts.draw)
        shown = {"reward": "train/reward", "resize": "train/resize_rate"}
        bar = {short: figures[name] for short, name in shown.items() if name in figures}
        self.log_dict(bar, prog_bar=True, logger=False, batch_size=1)

    def _write(self, figures: Mapping[str, float], draw: int) -> None:
        """Past Lightning's own logging, which goes on writing the last value of a name that a
        batch has no figure for: a kind that is absent, a loss where no step was taken."""
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        if every and (draw + 1) % every == 0:
            for logger in self.loggers:
                logger.log_metrics({"epoch": self.current_epoch, **figures}, step=draw)
                logger.save()

    def _optimizer(self) -> Optimizer | LightningOptimizer:
        optimizer = self.optimizers()
        assert isinstance(optimizer, Optimizer | LightningOptimizer)
        return optimizer

    def _set_rate(self, batches: float) -> None:
        """Set the learning rate of the next optimizer step.

        Args:
            batches: of this epoch that are done with.
        """
        trainer, steps = self.trainer, self.global_step
        length = TrainingLength(
            trainer.num_training_batches,
            trainer.max_epochs or -1,
            trainer.max_steps,
            self.updates_per_batch,
        )
        done = length.done(self.current_epoch + batches / length.batches, steps)
        for group in self._optimizer().param_groups:
            group["lr"] = self.adamw.rate(steps, done, length.steps)

    def _update(self, rollouts: RolloutBatch, batch_idx: int) -> dict[str, float]:
        """One optimizer step on each part of the groups; figures are means over the steps."""
        groups, places, total = rollouts.kept, rollouts.places, rollouts.kept_total
        parts = [
            credit(part, self.normalisation, self.std_floor)
            for part in split(groups, places, total, self.updates_per_batch)
        ]
        # Before the first step the policy still is the one that sampled.
        parts[1:] = [self._with_old_logprobs(part) for part in parts[1:]]
        most = self.trainer.max_steps
        left = len(parts) if most == -1 else most - self.global_step  # looked at between batches
        steps = []
        for place, part in enumerate(parts[:left]):
            self._set_rate(batch_idx + place / len(parts))
            steps.append(self._step(part))
        means = {name: sum(step[name] for step in steps) / len(steps) for name in steps[0]}
        # After the first step the policy has moved: only before it is a difference numerical.
        return means | {name: steps[0][name] for name in means if "difference" in name}

    @torch.no_grad()
    def _with_old_logprobs(self, credited: Sequence[Credited]) -> list[Credited]:
        """Under the policy that sampled: as sampled in fp32, computed once more in bf16, where the
        decoder's and the training pass's roundings differ."""
        if self.trainer.precision == "32-true":
            return [replace(row, old_logprobs=row.trajectory.logprobs) for row in credited]
        out = []
        for micro in micro_batches(credited, self.micro_batch_size):
            rows = [row.trajectory for row in micro]
            remedies = self._remedies(len(micro))
            with (
                memory_for("the update's old log-probabilities", sizes_of(rows), remedies),
                self.trainer.precision_plugin.forward_context(),
            ):
                old_K = self._policy()(rows)
            parts = old_K.split([row.response_tokens for row in rows])
            pairs = zip(micro, parts, strict=True)
            out += [replace(row, old_logprobs=part.tolist()) for row, part in pairs]
        return out

    def _step(self, credited: Sequence[Credited]) -> dict[str, float]:
        optimizer = self._optimizer()
        optimizer.zero_grad()
        figures = self.accumulate(credited)
        trainable = [p for p in self.parameters() if p.requires_grad]
        limit = self.max_grad_norm or float("inf")
        with self._memory_for_weights("the optimizer's step"):
            figures["lr"] = optimizer.param_groups[0]["lr"]
            figures["loss/grad_norm"] = nn.utils.clip_grad_norm_(trainable, limit).item()
            optimizer.step()
        return figures

    def _memory_for_weights(self, phase: str) -> AbstractContextManager[None]:
        trained = sum(p.numel() for p in self.parameters() if p.requires_grad)
        remedies = {
            "torch": "set model.optimizer.variant to 8bit or paged_8bit",
            "8bit": "set model.optimizer.variant to paged_8bit",
            "paged": "set model.optimizer.variant to paged_8bit",
            "paged_8bit": "train fewer weights: model.lora, or a lower model.lora.r",
        }
        remedy = remedies[self.adamw.variant]
        return memory_for(phase, f"{trained:,} weights that are trained", [remedy])

    def accumulate(self, credited: Sequence[Credited]) -> dict[str, float]:
        """Add the gradient of the loss over ``credited``, micro-batch by micro-batch.

        Returns:
            The figures under ``loss/``, and how far log-probabilities as sampled lie from those
            recomputed here (mean and largest, in nats), which tells of numerical drift.
        """
        own = StepTotals.of(credited)
        totals = sum(gathered(self.trainer, own), StepTotals(0, 0))
        figures = StepFigures()
        with self._apart():
            for micro in micro_batches(credited, self.micro_batch_size):
                sizes = sizes_of([row.trajectory for row in micro])
                with memory_for("the update", sizes, self._remedies(len(micro))):
                    with self.trainer.precision_plugin.forward_context():
                        inputs = loss_inputs(self._policy(), self.loss_function, micro, totals)
                    loss, shares = self.loss_function(inputs)
                    self.manual_backward(loss * self.trainer.world_size)  # ranks are averaged over
                figures.add(shares, micro, inputs.logprobs_K.detach())
        self._reduce_gradients()
        return figures.over_ranks(self.trainer)

    def _remedies(self, rows: int) -> list[str]:
        """What would make a micro-batch of ``rows`` trajectories need less memory."""
        remedies = []
        if rows > 1:
            remedies.append(f"lower model.micro_batch_size to {rows // 2}")
        if self.gradient_checkpointing != 1:
            remedies.append("set model.gradient_checkpointing to true")
        if isinstance(self.tuning, Lora) and self.tuning.quantization is None:
            remedies.append("set model.lora.quantization to nf4")
        return [*remedies, "lower rollout.limits.max_pixels or rollout.max_new_tokens"]

    def _apart(self) -> AbstractContextManager[Any]:
        """Ranks may have different numbers of micro-batches: none waits for another in them."""
        strategy = self.trainer.strategy
        if isinstance(strategy, ParallelStrategy):
            return strategy.block_backward_sync()
        return nullcontext()

    def _reduce_gradients(self) -> None:
        """Add up the ranks' gradients, once a step: a backward pass of nothing sets off DDP's
        reduction of what has been accumulated, on ranks without a micro-batch too."""
        if self.trainer.world_size > 1:
            with self._memory_for_weights("the reduction of gradients"):
                nothing = [0.0 * p.sum() for p in self.parameters() if p.requires_grad]
                self.manual_backward(torch.stack(nothing).sum())

    def _rollout_metrics(self, rollouts: RolloutBatch) -> dict[str, float]:
        tally = Tally(train_names(self.kinds, rollouts.parts))
        tally_rollouts(tally, rollouts)
        return tally.over_ranks(self.trainer).means()
