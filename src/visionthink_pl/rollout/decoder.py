"""Generating one turn: a cache within the turn, sampling by numbers that belong to the row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from visionthink_pl.policy import Policy, collate, log_distribution
from visionthink_pl.types import Trajectory


@dataclass(frozen=True)
class Generated:
    """What one row generated in one turn.

    Attributes:
        ids: sampled ids, the end-of-turn token included if it came.
        logprobs: their log-probabilities, in nats.
        finished: whether the end-of-turn token came within ``max_new_tokens``.
    """

    ids: list[int]
    logprobs: list[float]
    finished: bool


def uniforms(seed: int, key: str, count: int) -> Tensor:
    """``count`` numbers in [0, 1) that depend on (seed, key) alone, on any machine."""
    digest = hashlib.sha256(f"{seed}/{key}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return torch.rand(count, generator=generator)


def pick(logprobs_NV: Tensor, uniform_N: Tensor | None) -> Tensor:
    """Choose an id a row: the most likely, or by inverse CDF where random numbers are given.

    A row's choice depends on nothing but its own distribution and number. In fp64, a uniform
    number below 1 never lands behind the last id, nor on an id of probability 0.
    """
    if uniform_N is None:
        return logprobs_NV.argmax(-1)
    cdf_NV = logprobs_NV.exp().cumsum(-1, dtype=torch.float64)
    target_N1 = uniform_N[:, None].double() * cdf_NV[:, -1:]
    return torch.searchsorted(cdf_NV, target_N1, right=True).squeeze(-1)


@torch.no_grad()
def generate_turn(
    policy: Policy,
    trajectories: Sequence[Trajectory],
    uniform_NT: Tensor | None,
    max_new_tokens: int,
) -> list[Generated]:
    """Generate one turn for each trajectory, from its whole history.

    Args:
        policy: the model to sample from.
        trajectories: histories that end with a generation prompt.
        uniform_NT: numbers in [0, 1), one for each row and new token; ``None`` decodes greedily.
        max_new_tokens: a turn that reaches this many tokens has not finished.
    """
    inputs = collate(trajectories, policy.family, policy.base, padding="left")
    end_id = policy.family.end_of_turn_id
    cache = DynamicCache()
    output = policy.base(
        input_ids=inputs.ids_NT,
        attention_mask=inputs.attention_NT,
        position_ids=inputs.positions_3NT,
        pixel_values=inputs.pixels.values,
        image_grid_thw=inputs.pixels.grid_thw,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    attention_NT, position_N = inputs.attention_NT, inputs.positions_3NT.amax((0, 2))
    done_N = torch.zeros(len(trajectories), dtype=torch.bool, device=attention_NT.device)
    ids: list[Tensor] = []
    logprobs: list[Tensor] = []
    for step in range(max_new_tokens):
        logprobs_NV = log_distribution(
            output.logits[:, -1], policy.never_sampled_V, policy.temperature
        )
        chosen_N = pick(logprobs_NV, None if uniform_NT is None else uniform_NT[:, step])
        ids.append(chosen_N)
        logprobs.append(logprobs_NV.gather(-1, chosen_N[:, None]).squeeze(-1))
        done_N = done_N | (chosen_N == end_id)
        if done_N.all() or step == max_new_tokens - 1:
            break
        position_N = position_N + 1
        attention_NT = torch.nn.functional.pad(attention_NT, (0, 1), value=1)
        output = policy.base(
            input_ids=chosen_N[:, None],
            attention_mask=attention_NT,
            position_ids=position_N[None, :, None].expand(3, -1, 1),
            past_key_values=cache,
            use_cache=True,
        )
    return _cut(torch.stack(ids, 1).tolist(), torch.stack(logprobs, 1).tolist(), end_id)


def _cut(ids: Sequence[list[int]], logprobs: Sequence[list[float]], end_id: int) -> list[Generated]:
    """Cut each row behind its end-of-turn token."""
    out = []
    for row_ids, row_logprobs in zip(ids, logprobs, strict=True):
        finished = end_id in row_ids
        length = row_ids.index(end_id) + 1 if finished else len(row_ids)
        out.append(Generated(row_ids[:length], row_logprobs[:length], finished))
    return out
