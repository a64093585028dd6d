"""The training step: advantages -> loss -> optimizer steps over micro-batches."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from visionthink_pl.advantages import Normalisation
from visionthink_pl.families import Family, load_family
from visionthink_pl.losses import GRPOLoss, Loss
from visionthink_pl.metrics import (
    Tally,
    evaluation_names,
    tally_evaluation,
    tally_rollouts,
    train_names,
)
from visionthink_pl.optimizer import AdamW
from visionthink_pl.policy import Lora, Policy, check_loadable, load_policy
from visionthink_pl.types import ConfigError, Group, PromptBatch, RolloutBatch
from visionthink_pl.update import Credited, StepTotals, credit, loss_inputs, micro_batches, split

BASE_DTYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}


class VisionThinkModule(LightningModule):
    """Policy and frozen reference, trained by GRPO on the rollouts that it is handed.

    Args:
        pretrained: ``embedded``, a local folder, or a hub id.
        family: class of the model family; by default found by the checkpoint's ``model_type``.
        lora: the adapters; what is trained.
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
        gradient_checkpointing: compute activations again in the backward pass, a block of layers
            at a time, rather than keep them: less memory, about a third more time.
        max_grad_norm: the gradient is scaled down to at most this norm; 0 leaves it alone.
        temperature: of the distribution that is sampled from and trained (paper: 1.0). Set from
            ``rollout.temperature`` on the command line.
        kinds: every kind of sample that metrics are split by. Set from the data on the command
            line.
    """

    def __init__(
        self,
        pretrained: str = "embedded",
        family: type[Family] | None = None,
        lora: Lora = Lora(),  # noqa: B008 (frozen)
        loss: Loss | None = None,
        normalisation: Normalisation = "std",
        std_floor: float = 0.0,
        updates_per_batch: int = 1,
        optimizer: AdamW = AdamW(),  # noqa: B008 (frozen)
        micro_batch_size: int = 8,
        gradient_checkpointing: bool = False,
        max_grad_norm: float = 1.0,
        temperature: float = 1.0,
        kinds: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        for name, value in (
            ("micro_batch_size", micro_batch_size),
            ("updates_per_batch", updates_per_batch),
        ):
            if value < 1:
                raise ConfigError(f"model.{name}: at least 1, not {value}")
        for name, limit in (("std_floor", std_floor), ("max_grad_norm", max_grad_norm)):
            if not 0 <= limit < math.inf:
                raise ConfigError(f"model.{name}: at least 0, not {limit}")
        self.automatic_optimization = False
        self.strict_loading = False  # checkpoints hold the adapters alone
        self.pretrained, self.lora, self.adamw = pretrained, lora, optimizer
        self.loss_function = GRPOLoss() if loss is None else loss
        self.normalisation, self.std_floor = normalisation, std_floor
        self.updates_per_batch, self.max_grad_norm = updates_per_batch, max_grad_norm
        self.micro_batch_size, self.temperature = micro_batch_size, temperature
        self.gradient_checkpointing = gradient_checkpointing
        self.kinds = tuple(kinds)
        self.family = load_family(pretrained, family)
        check_loadable(pretrained, self.family, lora)
        self.policy: Policy | None = None
        self._evaluated: Tally | None = None
        self._unreadable = 0

    def check(self, trainer: Trainer) -> None:
        """Refuse, before any weights are loaded, a trainer that would train something else.

        Raises:
            ConfigError: its precision, its devices, or a schedule without an end.
        """
        if trainer.precision not in BASE_DTYPES:
            raise ConfigError(
                f"trainer.precision: {' or '.join(BASE_DTYPES)}, not {trainer.precision}: "
                "adapters stay in fp32"
            )
        if trainer.world_size > 1:
            raise ConfigError("trainer.devices: one device for now")
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
            self.policy = load_policy(
                self.pretrained, self.family, self.lora, self.temperature, dtype
            )
            if self.gradient_checkpointing:
                self.policy.base.gradient_checkpointing_enable({"use_reentrant": False})

    def configure_optimizers(self) -> OptimizerLRScheduler:
        trainable = [p for p in self.parameters() if p.requires_grad]
        # Lightning's estimate takes one step a batch, and is capped by max_steps already.
        total_steps = self.trainer.estimated_stepping_batches * self.updates_per_batch
        if self.trainer.max_steps != -1:
            total_steps = min(total_steps, self.trainer.max_steps)
        optimizer, schedule = self.adamw.build(trainable, total_steps)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is trained; the base is loaded from where it came."""
        trainable = {name for name, p in self.named_parameters() if p.requires_grad}
        checkpoint["state_dict"] = {
            name: value for name, value in checkpoint["state_dict"].items() if name in trainable
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Loading is not strict, since the base is not in the checkpoint: check what should be.

        Raises:
            ConfigError: the checkpoint's adapters are not those of this run's ``lora``.
        """
        trainable = {name for name, p in self.named_parameters() if p.requires_grad}
        if checkpoint["state_dict"].keys() != trainable:
            raise ConfigError(
                "ckpt_path: the checkpoint holds other adapters than model.lora makes; resume with "
                "the config that it was trained with"
            )

    def on_fit_start(self) -> None:
        self.train()  # Lightning leaves the mode alone, and checkpoints load in eval mode

    def training_step(self, batch: PromptBatch, batch_idx: int) -> None:
        """Take the optimizer steps on the groups that were kept; without any, take none."""
        rollouts = _rollouts(batch)
        started = time.perf_counter()
        figures = self._update(rollouts.kept) if rollouts.kept else {}
        figures["time/update_s"] = time.perf_counter() - started
        figures["time/rollout_s"] = rollouts.rollout_s
        figures["rollout_step"] = rollouts.draw
        figures["optimizer_step"] = self.global_step
        figures["train/unreadable"] = len(batch.unreadable)
        figures["train/waiting_groups"] = rollouts.waiting
        figures["train/surplus_groups"] = rollouts.surplus
        figures |= self._rollout_metrics(rollouts)
        if not rollouts.waiting:  # those that wait are trained on later
            self._policy().features.clear()
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

    def _update(self, groups: Sequence[Group]) -> dict[str, float]:
        """One optimizer step on each part of the groups; figures are means over the steps."""
        parts = [
            credit(part, self.normalisation, self.std_floor)
            for part in split(groups, self.updates_per_batch)
        ]
        # Before the first step the policy still is the one that sampled.
        parts[1:] = [self._with_old_logprobs(part) for part in parts[1:]]
        most = self.trainer.max_steps
        left = len(parts) if most == -1 else most - self.global_step  # looked at between batches
        steps = [self._step(part) for part in parts[:left]]
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
            with self.trainer.precision_plugin.forward_context():
                old_K = self._policy()(rows)
            parts = old_K.split([row.response_tokens for row in rows])
            pairs = zip(micro, parts, strict=True)
            out += [replace(row, old_logprobs=part.tolist()) for row, part in pairs]
        return out

    def _step(self, credited: Sequence[Credited]) -> dict[str, float]:
        optimizer, schedule = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimizer, Optimizer | LightningOptimizer)
        assert isinstance(schedule, LRScheduler)
        optimizer.zero_grad()
        figures = self.accumulate(credited)
        trainable = [p for p in self.parameters() if p.requires_grad]
        limit = self.max_grad_norm or float("inf")
        figures["loss/grad_norm"] = nn.utils.clip_grad_norm_(trainable, limit).item()
        optimizer.step()
        schedule.step()
        return figures

    def accumulate(self, credited: Sequence[Credited]) -> dict[str, float]:
        """Add the gradient of the loss over ``credited``, micro-batch by micro-batch.

        Returns:
            The figures under ``loss/``, and how far log-probabilities as sampled lie from those
            recomputed here (mean and largest, in nats), which tells of numerical drift.
        """
        totals = StepTotals.of(credited)
        sums: dict[str, Tensor] = {}
        differences: list[Tensor] = []
        for micro in micro_batches(credited, self.micro_batch_size):
            with self.trainer.precision_plugin.forward_context():
                inputs = loss_inputs(self._policy(), self.loss_function, micro, totals)
            loss, figures = self.loss_function(inputs)
            self.manual_backward(loss)
            for name, value in figures.items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value
            sampled = [value for row in micro for value in row.trajectory.logprobs]
            difference_K = torch.tensor(sampled, device=self.device) - inputs.logprobs_K.detach()
            differences.append(difference_K.abs())
        difference_K = torch.cat(differences)
        return {f"loss/{name}": value.item() for name, value in sums.items()} | {
            "train/logprob_difference_mean": difference_K.mean().item(),
            "train/logprob_difference_max": difference_K.max().item(),
        }

    def _rollout_metrics(self, rollouts: RolloutBatch) -> dict[str, float]:
        parts = list(rollouts.groups[0].parts) if rollouts.groups else []
        tally = Tally(train_names(self.kinds, parts))
        tally_rollouts(tally, rollouts)
        return tally.means()

    def on_validation_epoch_start(self) -> None:
        self._evaluated, self._unreadable = Tally(evaluation_names("val", self.kinds)), 0

    def on_test_epoch_start(self) -> None:
        self._evaluated, self._unreadable = Tally(evaluation_names("test", self.kinds)), 0

    def validation_step(self, batch: PromptBatch, batch_idx: int) -> None:
        self._evaluate(batch, "val")

    def test_step(self, batch: PromptBatch, batch_idx: int) -> None:
        self._evaluate(batch, "test")

    def _evaluate(self, batch: PromptBatch, stage: str) -> None:
        tally_evaluation(self._tally(), stage, _rollouts(batch).groups)
        self._unreadable += len(batch.unreadable)
        self._policy().features.clear()

    def on_validation_epoch_end(self) -> None:
        self.log_dict({**self._tally().means(), "val/unreadable": float(self._unreadable)})

    def on_test_epoch_end(self) -> None:
        self.log_dict({**self._tally().means(), "test/unreadable": float(self._unreadable)})

    def predict_step(self, batch: PromptBatch, batch_idx: int) -> list[dict[str, Any]]:
        """One row a sample: what was answered, and whether a second look was taken; or why its
        image could not be read."""
        answered = [
            {
                "id": group.sample.id,
                "question": group.sample.question,
                "answer": trajectory.answer,
                "second_look": trajectory.high,
                "visual_tokens": trajectory.visual_tokens,
                "stop": str(trajectory.stop),
                "turns": [turn.text for turn in trajectory.turns],
            }
            for group in _rollouts(batch).groups
            for trajectory in group.trajectories
        ]
        self._policy().features.clear()
        return answered + [{"id": bad.id, "unreadable": bad.reason} for bad in batch.unreadable]

    def _policy(self) -> Policy:
        assert self.policy is not None, "configure_model has not run"
        return self.policy

    def _tally(self) -> Tally:
        assert self._evaluated is not None, "no evaluation is under way"
        return self._evaluated


def _rollouts(batch: PromptBatch) -> RolloutBatch:
    if batch.rollouts is None:
        raise RuntimeError("the batch has no rollouts: add a RolloutCallback to the trainer")
    return batch.rollouts
