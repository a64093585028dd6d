"""The training step, in pure torch.

    rollout -> reward -> selection -> advantage -> loss -> step

``callbacks.rollout`` samples and scores groups, ``selection`` says which of them are trained on,
and what follows is here: for each optimizer step its groups' advantages (paper, Eq. 2), the loss
over micro-batches (Eq. 3), whose gradients add up, and the optimizer's step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from visionthink_pl.losses import Loss
from visionthink_pl.training.advantages import Advantages, GroupNormalised
from visionthink_pl.training.bad_steps import BadSteps, check_weights
from visionthink_pl.training.credit import Credited, credit, micro_batches, split
from visionthink_pl.training.figures import Accumulated, StepFigures
from visionthink_pl.training.loss_inputs import StepTotals, loss_inputs
from visionthink_pl.training.observed import observed
from visionthink_pl.training.ranks import gathered, rank_count
from visionthink_pl.training.remedies import Remedies
from visionthink_pl.types import Kept
from visionthink_pl.types.memory import memory_for, sizes_of

if TYPE_CHECKING:
    from visionthink_pl.policy import Policy  # with peft, which takes seconds to load


@dataclass(frozen=True)
class Backend:
    """How passes are run; by default in fp32.

    Attributes:
        precision: a context in which the policy computes, the one that it sampled in.
        backward: adds a loss's gradients.
        local: a context in which gradients stay on their rank.
        exact: whether log-probabilities as sampled are those of the training pass: not so where
            the decoder rounds otherwise, in bf16.
        between_passes: called before each pass of a batch's first step, while no weight has
            changed; may raise, to end the run there.
    """

    precision: Callable[[], AbstractContextManager[Any]] = nullcontext
    backward: Callable[[Tensor], None] = Tensor.backward
    local: Callable[[], AbstractContextManager[Any]] = nullcontext
    exact: bool = True
    between_passes: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class UpdateOptions:
    """Settings of the training step.

    Attributes:
        loss: the policy loss.
        advantages: of each group's trajectories.
        updates_per_batch: optimizer steps a rollout batch.
        micro_batch_size: trajectories in one pass.
        max_grad_norm: the gradient is scaled down to at most this norm; 0 leaves it alone.
        remedies: what to say where memory runs out.
    """

    loss: Loss
    advantages: Advantages = GroupNormalised()  # noqa: RUF009
    updates_per_batch: int = 1
    micro_batch_size: int = 8
    max_grad_norm: float = 1.0
    remedies: Remedies = Remedies()  # noqa: RUF009 (frozen)


class PolicyUpdate:
    """Optimizer steps on the groups that were kept of one rollout batch.

    Args:
        policy: with its frozen reference.
        options: of the step.
        backend: how passes are run.
        bad_steps: counts steps that are skipped, from one batch to the next; by default the first
            one stops the run.
    """

    def __init__(
        self,
        policy: Policy,
        options: UpdateOptions,
        backend: Backend = Backend(),  # noqa: B008 (frozen)
        bad_steps: BadSteps | None = None,
    ) -> None:
        self.policy, self.options, self.backend = policy, options, backend
        self.bad_steps = bad_steps or BadSteps(most=1)

    def run(
        self,
        kept: Kept,
        optimizer: Optimizer,
        schedule: Callable[[float], None] = lambda done: None,
        most: int | None = None,
    ) -> dict[str, float]:
        """Take the steps; without groups, take none.

        Args:
            kept: groups with signal.
            optimizer: of the policy's trainable parameters.
            schedule: sets the learning rate of the next step, from the share of this batch's steps
                that are done.
            most: the most steps to take; ``None`` for all.

        Returns:
            Figures, means over the steps that were taken.

        Raises:
            RunStopped: too many steps in a row were skipped, since a number was not finite.
            PolicyLost: a step made weights that are not finite.
        """
        parts = [
            credit(groups, self.options.advantages)
            for groups in split(kept, self.options.updates_per_batch)
        ]
        # Before the first step the policy still is the one that sampled.
        parts[1:] = [self._with_old_logprobs(part) for part in parts[1:]]
        first = parts[0][:1] if kept.total and 0 in kept.indices else []
        seen = self._observed(first) if kept.total else {}
        steps, tried = [], parts[:most]
        for index, part in enumerate(tried):
            schedule(index / len(parts))
            optimizer.zero_grad()
            steps += self._step(optimizer, self.accumulate(part, first=index == 0))
        seen["train/skipped_steps"] = self.bad_steps.total
        if not steps:
            return seen
        means = {name: sum(step[name] for step in steps) / len(steps) for name in steps[0]}
        # After the first step the policy has moved: only before it is a difference numerical.
        return seen | means | {n: steps[0][n] for n in means if "difference" in n}

    @torch.no_grad()
    def _observed(self, first: Sequence[Credited]) -> dict[str, float]:
        """Entropy and KL of the first trajectory of all ranks' where the loss computes neither."""
        with self._memory("the update", first), self.backend.precision():
            trajectory = first[0].trajectory if first else None
            return observed(self.policy, self.options.loss, trajectory)

    def accumulate(self, credited: Sequence[Credited], first: bool = False) -> Accumulated:
        """Add the gradient of the loss over ``credited``, micro-batch by micro-batch.

        Args:
            credited: trajectories with their advantages.
            first: whether they are those of a batch's first step.
        """
        own = StepTotals.of(credited)
        totals = sum(gathered(own), StepTotals(0, 0))
        figures = StepFigures()
        with self.backend.local():  # ranks may have different numbers of micro-batches
            for micro in micro_batches(credited, self.options.micro_batch_size):
                if first:
                    self.backend.between_passes()
                with self._memory("the update", micro):
                    self._pass(micro, totals, figures)
        self._reduce_gradients()
        return figures.over_ranks()

    def _pass(self, micro: Sequence[Credited], totals: StepTotals, figures: StepFigures) -> None:
        """Forward and backward over one micro-batch; nothing of it outlives the call."""
        with self.backend.precision():
            inputs = loss_inputs(self.policy, self.options.loss, micro, totals)
        loss, shares = self.options.loss(inputs)
        self.backend.backward(loss * rank_count())  # DDP averages over ranks
        figures.add(loss.detach(), shares, micro, inputs.logprobs_K.detach())

    def _reduce_gradients(self) -> None:
        """A zero loss triggers DDP's all-reduce once a step, also on ranks without data."""
        if rank_count() > 1:
            with self.options.remedies.for_weights("the reduction of gradients", self._trained()):
                zeros = [0.0 * parameter.sum() for parameter in self._trained()]
                self.backend.backward(torch.stack(zeros).sum())

    def _step(self, optimizer: Optimizer, passes: Accumulated) -> list[dict[str, float]]:
        """Take a step, and return its figures; none where it had to be skipped."""
        limit = self.options.max_grad_norm or float("inf")
        with self.options.remedies.for_weights("the optimizer's step", self._trained()):
            rate = optimizer.param_groups[0]["lr"]
            norm = nn.utils.clip_grad_norm_(self._trained(), limit).item()
            if passes.not_finite or not math.isfinite(norm):
                optimizer.zero_grad()
                what = f"with a gradient of norm {norm:g}, not finite are"
                self.bad_steps.skipped(what, passes.not_finite)
                return []
            optimizer.step()
            check_weights(self._trained(), rate, norm)
        self.bad_steps.taken()
        return [passes.figures | {"lr": rate, "loss/grad_norm": norm}]

    @torch.no_grad()
    def _with_old_logprobs(self, credited: Sequence[Credited]) -> list[Credited]:
        """Under the policy that sampled: as sampled where that is exact, else computed again."""
        if self.backend.exact:
            return [replace(row, old_logprobs=row.trajectory.logprobs) for row in credited]
        out = []
        for micro in micro_batches(credited, self.options.micro_batch_size):
            rows = [row.trajectory for row in micro]
            phase = "the update's old log-probabilities"
            with self._memory(phase, micro), self.backend.precision():
                old_K = self.policy(rows)
            parts = old_K.split([row.response_tokens for row in rows])
            pairs = zip(micro, parts, strict=True)
            out += [replace(row, old_logprobs=part.tolist()) for row, part in pairs]
        return out

    def _memory(self, phase: str, micro: Sequence[Credited]) -> AbstractContextManager[None]:
        sizes = sizes_of([row.trajectory for row in micro])
        return memory_for(phase, sizes, self.options.remedies.for_pass(len(micro)))

    def _trained(self) -> list[nn.Parameter]:
        return [p for p in self.policy.parameters() if p.requires_grad]
