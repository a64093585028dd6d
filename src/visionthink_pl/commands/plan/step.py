"""One step of training, run on tensors without values: the engine's rollouts, then the update."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from visionthink_pl.commands.plan.full_length import Calling, FullLengthEngine, FullLooks
from visionthink_pl.commands.plan.ghost import ghost_policy, layers_of
from visionthink_pl.commands.plan.ledger import OTHER, Bytes, Ledger, Place
from visionthink_pl.commands.plan.optimizer_state import Stepped, stepped
from visionthink_pl.commands.plan.setup import Setup
from visionthink_pl.commands.plan.sized_features import SizedFeatures
from visionthink_pl.rollout.opening import Opening
from visionthink_pl.rollout.sampling import Sampling
from visionthink_pl.training import Backend, PolicyUpdate, UpdateOptions
from visionthink_pl.types import Group, Kept

aten = torch.ops.aten
OBSERVED = "observed"  # the phase in which one trajectory is looked at, for the log


@dataclass(frozen=True)
class Taken:
    """What a step took.

    Attributes:
        peaks: at each place, the bytes in use when they were most there, by kind.
        flops: by phase.
        groups: what was rolled out.
        trained: trajectories that the update went over.
        uncounted: why the optimizer's state is not among them; ``None`` where it is.
    """

    peaks: Mapping[Place, Bytes]
    flops: Mapping[str, float]
    groups: Sequence[Group]
    trained: int
    uncounted: str | None


def take(setup: Setup, openings: Sequence[Opening], depth: int, edge: int) -> Taken:
    """Take a step with ``depth`` layers.

    Args:
        setup: of the step.
        openings: the prompts that are generated at once.
        depth: how many of the language model's layers there are.
        edge: places are told apart at this many layers from either end.
    """
    step = _Step(setup, depth, edge)
    with step.ledger:
        first = step.first()
        groups = step.roll_out(openings)
        trained = trained_on(setup, groups)
        step.update(trained, first.optimizer)
    count = sum(len(group.trajectories) for group in trained)
    return Taken(step.ledger.peaks, step.ledger.flops, groups, count, first.uncounted)


def trained_on(setup: Setup, groups: Sequence[Group]) -> list[Group]:
    """Groups of two micro-batches, or of all trajectories where these are fewer; more than were
    generated at once are the same over again."""
    most = min(2 * setup.micro_batch_size, setup.trajectories)
    count, size = -(-most // setup.group_size), min(most, setup.group_size)
    return [_with_rewards(groups[index % len(groups)], size) for index in range(count)]


def _with_rewards(group: Group, size: int) -> Group:
    """The first trajectories, behind a prompt of their own, with rewards that differ."""
    prompt_ids = list(group.trajectories[0].prompt_ids)
    rows = [replace(row, prompt_ids=prompt_ids) for row in group.trajectories[:size]]
    return replace(group, trajectories=rows, rewards=[float(i % 2) for i in range(size)])


class _Step:
    """The second step of a run: state and gradients of the first are there."""

    def __init__(self, setup: Setup, depth: int, edge: int) -> None:
        self._setup = setup
        self.policy = ghost_policy(setup, depth)
        text = self.policy.base.config.text_config
        kv, vocab = text.num_key_value_heads, text.vocab_size
        self.ledger = Ledger(lambda func, tensor: _kind(func, tensor, kv, vocab))
        for policy in filter(None, (self.policy, self.policy.frozen)):
            policy.features = SizedFeatures(policy, self.ledger)
            self._watch(layers_of(policy.base, setup), edge)
        self._book_weights()

    def _book_weights(self) -> None:
        for name, tensor in [*self.policy.named_parameters(), *self.policy.named_buffers()]:
            self.ledger.hold(tensor, kind="adapters" if "lora_" in name else "weights")
        for parameter in self.policy.parameters():
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(self._book_gradient)

    def _book_gradient(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self.ledger.rename([parameter.grad], "gradients")

    def _watch(self, layers: nn.ModuleList, edge: int) -> None:
        """Tell the ledger which layer the step has come to, forward and backward."""
        for index, layer in enumerate(layers):
            left = len(layers) - index
            place = f"+{index}" if index < edge else f"-{left}" if left <= edge else "middle"

            def before(*_: Any, place: str = place) -> None:
                self.ledger.at(place)

            def after(_: Any, __: Any, out: Tensor, place: str = place) -> None:
                if out.requires_grad:
                    out.register_hook(lambda grad: self.ledger.at(place))

            layer.register_forward_pre_hook(before)
            layer.register_forward_hook(after)

    def first(self) -> Stepped:
        """The optimizer and the gradients, as the first step left them."""
        trained = [p for p in self.policy.parameters() if p.requires_grad]
        for parameter in trained:
            parameter.grad = torch.zeros_like(parameter)
            self._book_gradient(parameter)
        first = stepped(self._setup.optimizer, trained, self._setup.gpu)
        for tensor in first.state:
            self.ledger.hold(tensor)
        self.ledger.rename(first.state, "optimizer")
        first.optimizer.register_step_pre_hook(lambda *_: self.ledger.go("optimizer"))
        return first

    def roll_out(self, openings: Sequence[Opening]) -> list[Group]:
        """Roll out the prompts, in turns of full length."""
        setup = self._setup
        asking = math.ceil(setup.demand.ask_rate * setup.group_size)
        engine = FullLengthEngine(
            self.policy,
            FullLooks(setup.family, setup.conversation.options, setup.looks),
            Sampling(setup.max_turns, setup.max_new_tokens, setup.rows, seed=0),
            Calling(setup.group_size, asking),
            self.ledger,
            setup.gpu,
        )
        with self._precision():
            return engine.roll_out(openings, setup.group_size, draw=0)

    def update(self, groups: Sequence[Group], optimizer: Optimizer) -> None:
        """One optimizer step on these groups."""
        setup = self._setup
        options = UpdateOptions(setup.loss, micro_batch_size=setup.micro_batch_size)
        backend = Backend(precision=self._pass, backward=self._backward)
        kept = Kept(groups, range(len(groups)), len(groups))
        self.policy.train()
        for policy in filter(None, (self.policy, self.policy.frozen)):
            policy.register_forward_pre_hook(self._begin_pass)
        PolicyUpdate(self.policy, options, backend).run(kept, optimizer)

    @contextmanager
    def _pass(self) -> Iterator[None]:
        self._trains = torch.is_grad_enabled()
        self.ledger.go("forward" if self._trains else OBSERVED)
        with self._precision():
            yield
        if self._trains:
            self.ledger.go("loss")

    def _begin_pass(self, *_: Any) -> None:
        if self._trains and not torch.is_grad_enabled():
            self.ledger.go("reference")

    def _backward(self, loss: Tensor) -> None:
        self.ledger.go("backward")
        loss.backward()

    def _precision(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self._setup.dtype == torch.bfloat16)


def _kind(func: Any, tensor: Tensor, key_heads: int, vocab_size: int) -> str:
    if func is aten.new_zeros.default and tensor.ndim == 4 and tensor.shape[2] == key_heads:
        return "KV cache"
    if tensor.ndim > 1 and tensor.shape[-1] == vocab_size:
        return "logits"
    return OTHER
