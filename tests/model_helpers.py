"""Policies and two-turn trajectories on the embedded model."""

import torch
from torch import Tensor

from helpers import CALL, CALL_TURN, answer_turn
from visionthink_pl.conversation import Conversation, read_prompt
from visionthink_pl.data import LookCloser
from visionthink_pl.families import Family
from visionthink_pl.images import HalfView, PixelLimits
from visionthink_pl.policy import Lora, Policy, load_policy
from visionthink_pl.types import StopReason, Trajectory, Turn, VQASample
from visionthink_pl.visual_tools import ResizeImage, ToolResult


def embedded_policy(family: Family, temperature: float = 1.0) -> Policy:
    """The embedded model with an adapter moved away from zero, so that it changes something."""
    policy = load_policy("embedded", family, Lora(r=4), temperature, torch.float32)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    return policy


def make_conversation(family: Family, with_tool: bool = True) -> Conversation:
    """The quickstart's conversation."""
    tools = [ResizeImage()] if with_tool else []
    prompts = read_prompt("look_closer"), read_prompt("one_look")
    return Conversation(family, tools, *prompts, HalfView(), PixelLimits())


def sample_of_size(width: int, height: int) -> VQASample:
    """A drawn sample, resized."""
    sample = LookCloser(16)[0]
    image = sample.image.resize((width, height))
    return VQASample(f"{width}x{height}", sample.question, sample.answer, image, sample.kind)


def write_turn(family: Family, text: str) -> Turn:
    """A turn as if the model had generated ``text``; its log-probs are made up."""
    ids = [*family.tokenizer.encode(text), family.end_of_turn_id]
    return Turn(ids, [-1.0] * len(ids), text)


def write_trajectory(family: Family, sample: VQASample, calls: bool) -> Trajectory:
    """A trajectory that answers at once, or calls, is shown the full image, and answers."""
    conversation = make_conversation(family)
    opening = conversation.open(sample)
    trajectory = opening.trajectory
    if calls:
        turn = write_turn(family, CALL_TURN)
        turn.call = CALL
        result = ToolResult(images=[opening.high])
        turn.given_ids = conversation.response_ids(opening.messages, result)
        trajectory.turns.append(turn)
        trajectory.images.append(opening.high)
        trajectory.visual_tokens += family.visual_tokens(opening.high)
        trajectory.high = True
    trajectory.turns.append(write_turn(family, answer_turn(sample.answer)))
    trajectory.stop, trajectory.answer = StopReason.ANSWERED, sample.answer
    return trajectory


def mixed_trajectories(family: Family) -> list[Trajectory]:
    """One and two turns, images of three sizes."""
    sizes = ((112, 112, True), (112, 112, False), (168, 84, True), (84, 140, False))
    return [write_trajectory(family, sample_of_size(w, h), calls) for w, h, calls in sizes]


def plain_logprobs(policy: Policy, trajectory: Trajectory, position_shift: int = 0) -> Tensor:
    """The oracle: one trajectory, no padding, the model's own forward pass from start to end,
    its own positions, and the dense log-softmax of every position. Shape (K,)."""
    family, model = policy.family, policy.base
    ids_1T = torch.tensor([trajectory.ids])
    pixels = family.pixels(trajectory.images)
    extra = {}
    if position_shift:
        attention_1T = torch.ones_like(ids_1T)
        positions = family.positions(model, ids_1T, attention_1T, pixels.grid_thw)
        is_image = ids_1T == family.image_token_id
        extra["position_ids"] = torch.where(is_image, positions + position_shift, positions)
    logits_TV = model(
        input_ids=ids_1T,
        pixel_values=pixels.values,
        image_grid_thw=pixels.grid_thw,
        mm_token_type_ids=(ids_1T == family.image_token_id).int(),
        use_cache=False,
        **extra,
    ).logits[0]
    logits_TV = logits_TV.masked_fill(policy.never_sampled_V, float("-inf")) / policy.temperature
    logprobs_TV = torch.log_softmax(logits_TV, -1)
    positions_K = [t for t, generated in enumerate(trajectory.generated_mask) if generated]
    return torch.stack([logprobs_TV[t - 1, trajectory.ids[t]] for t in positions_K])
