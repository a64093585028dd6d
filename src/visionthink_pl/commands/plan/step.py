"""One step of training, taken on tensors without values: phase by phase, as the module does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from visionthink_pl.commands.plan.ghost import ghost_policy, layers_of
from visionthink_pl.commands.plan.ledger import OTHER, Bytes, Ledger, Place
from visionthink_pl.commands.plan.setup import Setup
from visionthink_pl.commands.plan.stand_ins import FullTurns, SizedFeatures
from visionthink_pl.commands.plan.work import Work
from visionthink_pl.rollout.engine import CHECK_EVERY
from visionthink_pl.training.loss_inputs import StepTotals, loss_inputs

aten = torch.ops.aten
# Bytes of AdamW's state a weight; in 8 bits with a scale for every 256, tensors below 4,096
# weights excepted. What is paged makes room where it must.
MOMENTS = {"torch": 8.0, "8bit": 2 + 8 / 256, "paged": 0.0, "paged_8bit": 0.0}
SMALL = 4096


@dataclass(frozen=True)
class Taken:
    """What a step took.

    Attributes:
        peaks: at each place, the bytes in use when they were most there, by kind.
        flops: by phase.
    """

    peaks: Mapping[Place, Bytes]
    flops: Mapping[str, float]


def take(setup: Setup, work: Work, depth: int, edge: int) -> Taken:
    """Take a step with ``depth`` layers.

    Args:
        setup: of the step.
        work: what is read and written.
        depth: how many of the language model's layers there are.
        edge: places are told apart at this many layers from either end.
    """
    step = _Step(setup, work, depth, edge)
    with step.ledger:
        step.take()
    return Taken(step.ledger.peaks, step.ledger.flops)


class _Step:
    def __init__(self, setup: Setup, work: Work, depth: int, edge: int) -> None:
        self._setup, self._work = setup, work
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

    def take(self) -> None:
        """The second step of a run: state and gradients of the first are there."""
        optimizer = self._optimizer()
        self._roll_out()
        self._update(optimizer)

    def _optimizer(self) -> Optimizer:
        trained = [p for p in self.policy.parameters() if p.requires_grad]
        for parameter in trained:
            parameter.grad = torch.zeros_like(parameter)
            self._book_gradient(parameter)
        if self._setup.variant == "torch":
            optimizer: Optimizer = torch.optim.AdamW(trained, foreach=self._setup.gpu)
            optimizer.step()
            states = [value for state in optimizer.state.values() for value in state.values()]
        else:
            # Like bitsandbytes' kernels it needs nothing of its own.
            optimizer = torch.optim.SGD(trained, foreach=False)
            states = [self._state(parameter) for parameter in trained]
            self._states = states
        self.ledger.rename(states, "optimizer")
        return optimizer

    def _state(self, parameter: Tensor) -> Tensor:
        small = parameter.numel() < SMALL and "paged" not in self._setup.variant
        size = MOMENTS["torch" if small else self._setup.variant] * parameter.numel()
        return parameter.new_empty(int(size), dtype=torch.uint8)

    @torch.no_grad()
    def _roll_out(self) -> None:
        setup, work = self._setup, self._work
        check_every = CHECK_EVERY if setup.gpu else 1
        decoder = FullTurns(self.policy, setup.max_new_tokens, check_every, self.ledger)
        rows = [index for index in range(len(work.openings)) for _ in range(work.group_size)]
        uniform_NT = torch.zeros(len(rows), setup.max_new_tokens)
        with self._precision():
            self.ledger.go("prompts")
            prompts = [work.prompt(opening) for opening in work.openings]
            decoder.start(prompts, rows, uniform_NT)
            decoder.turn()
            for row in range(len(rows)):
                if row % work.group_size >= work.asking:
                    decoder.stop(row)
            asking = [row for row in range(len(rows)) if row % work.group_size < work.asking]
            for turn in range(len(work.given)):
                self.ledger.go("second look")
                given = {row: work.given_to(work.openings[rows[row]], turn) for row in asking}
                decoder.resume(given, uniform_NT[: len(asking)])
                decoder.turn()

    def _update(self, optimizer: Optimizer) -> None:
        setup = self._setup
        self.ledger.go("forward")
        optimizer.zero_grad()
        micro = self._work.micro_batch(setup.in_one_pass)
        self.policy.train()
        for policy in filter(None, (self.policy, self.policy.frozen)):
            policy.register_forward_pre_hook(self._begin_pass)
        with self._precision():
            inputs = loss_inputs(self.policy, setup.loss, micro, StepTotals.of(micro))
        self.ledger.go("loss")
        loss, _ = setup.loss(inputs)
        self.ledger.go("backward")
        loss.backward()
        self.ledger.go("optimizer")
        del inputs, loss
        trained = [p for p in self.policy.parameters() if p.requires_grad]
        nn.utils.clip_grad_norm_(trained, 1.0, foreach=setup.gpu)
        optimizer.step()

    def _begin_pass(self, *_: Any) -> None:
        if not torch.is_grad_enabled():
            self.ledger.go("reference")

    def _precision(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self._setup.dtype == torch.bfloat16)


def _kind(func: Any, tensor: Tensor, key_heads: int, vocab_size: int) -> str:
    if func is aten.new_zeros.default and tensor.ndim == 4 and tensor.shape[2] == key_heads:
        return "KV cache"
    if tensor.ndim > 1 and tensor.shape[-1] == vocab_size:
        return "logits"
    return OTHER
