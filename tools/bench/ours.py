"""A step of this package, with turns of forced length."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning import Trainer

from bench.meter import Parts
from bench.work import Work, messages
from visionthink_pl.families import Family, load_family
from visionthink_pl.losses import GRPOLoss
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.policy import Lora, Policy, load_policy
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.decoder import Decoder, Given
from visionthink_pl.rollout.opening import Opening
from visionthink_pl.training import PolicyUpdate
from visionthink_pl.training.credit import Credited
from visionthink_pl.types import Box, StopReason, ToolCall, Trajectory, Turn, View, VQASample
from visionthink_pl.visual_tools import ToolResult, ViewState

RESIZE = "resize_image"


def call_of(rollout: int, look: int) -> ToolCall:
    """The call of a turn; where there are several looks, of the part that it shows."""
    return ToolCall(RESIZE, {"action": "resize", "part": (rollout + look) % 4})


class ForcedConversation(Conversation):
    """Prompts of a given length, built once a sample."""

    def __init__(self, work: Work, family: Family) -> None:
        super().__init__(family, ConversationOptions())
        self._work, self._chat = work, messages(work, family.processor)

    def run(self, call: ToolCall, state: ViewState) -> ToolResult:
        if self._work.turns == 2:
            return super().run(call, state)
        (view,) = state.full
        side = view.image.width // 2
        left, top = side * (call.arguments["part"] % 2), side * (call.arguments["part"] // 2)
        box = Box(left, top, left + side, top + side)
        return ToolResult(views=[View(view.image.crop(box), source=0, box=box)])

    def open(self, sample: VQASample) -> Opening:
        low = self._work.image(int(sample.id), looks=1)
        high = self._work.image(int(sample.id), looks=2) if self._work.turns > 1 else low
        ids = self._family.encode(self._family.render(self._chat, True), [low])
        first, full = View(low, source=0), View(high, source=0)
        trajectory = Trajectory(ids, [first], self._family.visual_tokens(low), (RESIZE,))
        return Opening(sample, trajectory, [full], self._family.visual_tokens(high), self._chat)


class ForcedEngine(RolloutEngine):
    """The first rollouts of each group ask; nobody stops before their tokens are spent."""

    def __init__(self, work: Work, policy: Policy, conversation: Conversation) -> None:
        rows = work.prompts * work.group_size
        super().__init__(policy, conversation, Sampling(work.turns, work.new_tokens, rows, 0))
        self._work = work

    def _finish_turn(self, row, generated) -> Given | None:
        turn = Turn(generated.ids, generated.logprobs, "")
        row.trajectory.turns.append(turn)
        rollout = int(row.key.rpartition("/")[2])
        if len(row.trajectory.turns) < self._work.turns and rollout < self._work.asking:
            turn.call = call_of(rollout, len(row.trajectory.turns))
            return self._respond(row, turn)
        row.trajectory.stop = StopReason.ANSWERED
        return None


def without_shared_prompts(policy: Policy) -> None:
    """In training each row brings its own copy of the prompt."""
    type(policy.family).shares_prompts = False


def without_kept_features(policy: Policy) -> None:
    """Each pass runs the vision tower anew; within a pass, each distinct image once."""
    kept = policy.features

    def run_anew(images):
        kept.clear()
        return kept(images)

    run_anew.clear = kept.clear
    policy.features = run_anew


WITHOUT = {
    "shared-prompts": without_shared_prompts,
    "kept-features": without_kept_features,
}


class Contender:
    """Loads the model; ``step`` samples, and takes one optimizer step."""

    def __init__(self, work: Work, folder: Path, parts: Parts) -> None:
        self.work, self.parts = work, parts
        self.family = load_family(folder)
        dtype = getattr(torch, work.dtype)
        self.policy = load_policy(str(folder), self.family, Lora(), 1.0, dtype).to(work.device)
        never_end(self.policy)
        self.module = make_module(work, folder, self.policy)
        self.optimizer = torch.optim.AdamW(
            [p for p in self.policy.parameters() if p.requires_grad], lr=1e-5
        )
        self.conversation = ForcedConversation(work, self.family)
        self.engine = ForcedEngine(work, self.policy, self.conversation)
        if work.without:
            WITHOUT[work.without](self.policy)
        self._watch()

    def _watch(self) -> None:
        watch = self.parts.watch
        watch(self.family, "pixels", "image processing")
        watch(self.family, "image_features", "tower")
        watch(self.engine, "rollout", "rollout, other")
        watch(Decoder, "_read", "prefill")
        watch(Decoder, "_step", "decoding")
        watch(self.policy, "reference_logprobs", "reference", closed=True)
        watch(self.policy, "forward", "policy forward")
        watch(self.module, "manual_backward", "policy backward")
        watch(PolicyUpdate, "accumulate", "update, other")
        watch(self.optimizer, "step", "optimizer")

    def step(self) -> None:
        samples = [VQASample(str(i), "", "", (), "") for i in range(self.work.prompts)]
        with self.module.trainer.precision_plugin.forward_context():  # as the callback does
            groups = self.engine.rollout(samples, self.work.group_size, 0)
        self.update([t for group in groups for t in group.trajectories])
        self.policy.features.clear()

    def update(self, trajectories: list[Trajectory]) -> None:
        rows = [Credited(t, (-1.0) ** index) for index, t in enumerate(trajectories)]
        self.policy.train()
        self.module.update.accumulate(rows)
        self.optimizer.step()
        self.optimizer.zero_grad()


def never_end(policy: Policy) -> None:
    """Take the end-of-turn token out of the distribution, so that lengths are those asked for."""
    policy.never_sampled_V[policy.family.end_of_turn_id] = True


def make_module(work: Work, folder: Path, policy: Policy) -> VisionThinkModule:
    """The module around the policy, attached to a trainer; one micro-batch."""
    precision = "bf16-mixed" if work.dtype == "bfloat16" else "32-true"
    rows = work.prompts * work.group_size
    module = VisionThinkModule(
        str(folder), loss=GRPOLoss(kl_coefficient=work.kl), micro_batch_size=rows
    )
    module.policy = policy
    trainer = Trainer(
        accelerator="gpu" if work.device == "cuda" else "cpu",
        devices=1,
        precision=precision,
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
    )
    trainer.strategy.connect(module)
    module.trainer = trainer
    return module
