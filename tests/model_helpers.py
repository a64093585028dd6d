"""Policies and two-turn trajectories on the embedded model."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from PIL import Image
from torch import Tensor

from helpers import CALL, CALL_TURN, answer_turn
from visionthink_pl.data import LookCloser
from visionthink_pl.families import Family
from visionthink_pl.families.qwen import Qwen
from visionthink_pl.policy import Lora, Policy, load_policy
from visionthink_pl.rollout import RolloutEngine, Sampling
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.decoder import Decoder
from visionthink_pl.types import Group, StopReason, Trajectory, Turn, VQASample
from visionthink_pl.visual_tools import ResizeImage, ToolResult


def embedded_policy(family: Family, temperature: float = 1.0, **settings: Any) -> Policy:
    """The embedded model with an adapter that changes something."""
    return adapted_policy("embedded", family, temperature, **settings)


def adapted_policy(
    pretrained: str,
    family: Family,
    temperature: float = 1.0,
    quantization: Literal["nf4"] | None = None,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> Policy:
    """A model with an adapter moved away from zero, so that it changes something."""
    lora = Lora(r=4, quantization=quantization)
    policy = load_policy(pretrained, family, lora, temperature, dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    return policy.to(device)


def make_conversation(family: Family, with_tool: bool = True) -> Conversation:
    """The quickstart's conversation."""
    tools = [ResizeImage()] if with_tool else []
    return Conversation(family, ConversationOptions(tools=tools))


def at_most(conversation: Conversation, prompt_tokens: int | None) -> Conversation:
    """The same with a limit of prompts."""
    options = replace(conversation.options, max_prompt_tokens=prompt_tokens)
    return Conversation(conversation._family, options)


def sample_of_size(width: int, height: int) -> VQASample:
    """A drawn sample, resized."""
    sample = LookCloser(16)[0]
    image = sample.images[0].resize((width, height))
    return VQASample(f"{width}x{height}", sample.question, sample.answer, (image,), sample.kind)


def write_turn(family: Family, text: str) -> Turn:
    """A turn as if the model had generated ``text``; its log-probs are made up."""
    ids = [*family.encode(text, []), family.end_of_turn_id]
    return Turn(ids, [-1.0] * len(ids), text)


def write_trajectory(family: Family, sample: VQASample, calls: bool) -> Trajectory:
    """A trajectory that answers at once, or calls, is shown the full image, and answers."""
    conversation = make_conversation(family)
    opening = conversation.open(sample)
    trajectory = opening.trajectory
    if calls:
        turn = write_turn(family, CALL_TURN)
        turn.call = CALL
        result = ToolResult(views=opening.full)
        turn.given_ids = conversation.response(opening, result).ids
        turn.shown, turn.visual_tokens = result.shown, opening.full_look_tokens
        trajectory.turns.append(turn)
    trajectory.turns.append(write_turn(family, answer_turn(sample.answer)))
    trajectory.stop, trajectory.answer = StopReason.ANSWERED, sample.answer
    return trajectory


def mixed_trajectories(family: Family) -> list[Trajectory]:
    """One and two turns, images of three sizes."""
    sizes = ((112, 112, True), (112, 112, False), (168, 84, True), (84, 140, False))
    return [write_trajectory(family, sample_of_size(w, h), calls) for w, h, calls in sizes]


def rolled(policy: Policy, group_size: int = 4, **settings) -> list[Group]:
    """Groups as the engine samples them: images of three sizes, some rows ask and some don't."""
    sampling = Sampling(
        **({"max_turns": 2, "max_new_tokens": 24, "rows": 99, "seed": 0} | settings)
    )
    engine = RolloutEngine(policy, make_conversation(policy.family), sampling)
    return engine.rollout(three_samples(), group_size, draw=0)


def look_every(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Let decoders look at who has ended after so many steps."""
    init = Decoder.__init__

    def seldom(self: Decoder, policy: Policy, most: int, _: int, *rest: Any) -> None:
        init(self, policy, most, steps, *rest)

    monkeypatch.setattr(Decoder, "__init__", seldom)


def in_second_turns(patch: pytest.MonkeyPatch, name: str, other: Callable[..., Any]) -> None:
    """While rows read what they are given after a turn, the policy's method ``name`` is ``other``;
    prompts are read, and ids sampled, as ever."""
    resume = Decoder.resume

    def resumed(*args: Any) -> None:
        with pytest.MonkeyPatch.context() as within:
            within.setattr(Policy, name, other)
            resume(*args)

    patch.setattr(Decoder, "resume", resumed)


def sampled_logprobs(policy: Policy, trajectories: Sequence[Trajectory]) -> Tensor:
    """Log-probabilities as they were sampled, shape (K,), where the policy is."""
    values = [value for trajectory in trajectories for value in trajectory.logprobs]
    return torch.tensor(values, device=policy.base.device)


def rounding(policy: Policy) -> float:
    """How far two ways to one log-probability may lie apart in fp32, in nats. A GPU's kernels sum
    in another order for each shape: 3e-5 was the most on an H200."""
    return 1e-5 if policy.base.device.type == "cpu" else 5e-5


def weights(like_K: Tensor) -> Tensor:
    """Weights of log-probabilities in a sum, so that none is lost or swapped unseen."""
    return torch.randn(len(like_K), generator=torch.Generator().manual_seed(0)).to(like_K.device)


def three_samples() -> list[VQASample]:
    return [sample_of_size(w, h) for w, h in ((112, 112), (168, 84), (84, 140))]


def gradients_of(policy: Policy) -> dict[str, torch.Tensor]:
    """The gradients, which are taken away."""
    found = {n: p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None}
    policy.zero_grad()
    return found


def assert_same_gradients(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]
) -> None:
    """Equal to 1e-5 of the largest."""
    assert found.keys() == expected.keys() and expected
    largest = max(grad.abs().max().item() for grad in expected.values())
    assert largest > 1e-3
    for name, grad in expected.items():
        torch.testing.assert_close(found[name], grad, atol=1e-5 * largest, rtol=1e-5)


def images_for_model(
    family: Family, ids_1T: Tensor, images: Sequence[Image.Image]
) -> dict[str, Tensor]:
    """What transformers' own model is given of images beside ``ids_1T``."""
    inputs = dict(family.processor.image_processor(images=list(images), return_tensors="pt"))
    if isinstance(family, Qwen):
        inputs["mm_token_type_ids"] = (ids_1T == family.image_token_id).int()
    return {name: value.to(ids_1T.device) for name, value in inputs.items()}


def generated_ids(policy: Policy, trajectory: Trajectory, max_new_tokens: int) -> list[int]:
    """What transformers' own greedy ``generate`` goes on with behind the prompt."""
    family = policy.family
    ids_1T = torch.tensor([trajectory.prompt_ids], device=policy.base.device)
    out_1T = policy.base.generate(
        input_ids=ids_1T,
        attention_mask=torch.ones_like(ids_1T),
        **images_for_model(family, ids_1T, trajectory.images),
        do_sample=False,
        max_new_tokens=max_new_tokens,
        suppress_tokens=policy.never_sampled_V.nonzero().flatten().tolist(),
    )
    return out_1T[0, ids_1T.shape[1] :].tolist()


def assert_reference_is_the_base(policy: Policy, trajectories: list[Trajectory]) -> None:
    """Bit by bit, and the adapter is not."""
    with torch.no_grad():
        adapted_K = policy(trajectories)
        reference_K = policy.reference_logprobs(trajectories)
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.zero_()
        base_K = policy(trajectories)
    assert torch.equal(reference_K, base_K)
    assert (adapted_K - base_K).abs().max() > 1e-3
