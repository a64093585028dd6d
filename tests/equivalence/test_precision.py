"""The same over a base in 4 bits, and in bf16 as a run computes: packed rows, and what was sampled,
against a plain pass for each trajectory."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch

from equivalence.naive import all_logprobs
from model_helpers import (
    assert_same_gradients,
    embedded_policy,
    gradients_of,
    rolled,
    sampled_logprobs,
    weights,
)
from visionthink_pl.families import Family
from visionthink_pl.policy import Policy

pytestmark = pytest.mark.equivalence

# Nats that two ways to a log-probability may differ by in bf16: their mean, and the largest.
MEAN, LARGEST = 0.005, 0.1


@pytest.fixture(scope="module")
def nf4(family: Family, device: str) -> Policy:
    """The embedded model in nf4, tower and head left alone, with an adapter off zero."""
    return embedded_policy(family, quantization="nf4", device=device)


def test_the_base_is_in_4_bits(nf4: Policy) -> None:
    layer = nf4.base.model.language_model.layers[0].mlp.up_proj.base_layer
    assert type(layer).__name__ == "Linear4bit" and layer.weight.dtype == torch.uint8


def test_in_4_bits_sampled_and_trained_are_the_plain_pass_s(nf4: Policy) -> None:
    trajectories = [t for group in rolled(nf4) for t in group.trajectories]
    expected_K = all_logprobs(nf4, trajectories)
    sampled_K = sampled_logprobs(nf4, trajectories)
    torch.testing.assert_close(sampled_K, expected_K.detach(), atol=1e-5, rtol=0)
    (expected_K * weights(expected_K)).sum().backward()
    expected = gradients_of(nf4)
    found_K = nf4(trajectories)
    torch.testing.assert_close(found_K, expected_K, atol=1e-5, rtol=0)
    (found_K * weights(found_K)).sum().backward()
    assert_same_gradients(gradients_of(nf4), expected)


@pytest.fixture(scope="module", params=[None, "nf4"], ids=["bf16", "bf16-nf4"])
def bf16(request: pytest.FixtureRequest, family: Family, device: str) -> Policy:
    """The base in bf16, or in 4 bits that are computed with in bf16; the adapter in fp32."""
    quantization = request.param
    return embedded_policy(family, quantization=quantization, dtype=torch.bfloat16, device=device)


def autocast(policy: Policy) -> AbstractContextManager[object]:
    """As under ``trainer.precision: bf16-mixed``."""
    return torch.autocast(policy.base.device.type, torch.bfloat16)


def test_in_bf16_sampled_and_trained_differ_by_rounding(
    bf16: Policy, record_property: Callable[[str, object], None]
) -> None:
    with autocast(bf16), torch.no_grad():
        trajectories = [t for group in rolled(bf16) for t in group.trajectories]
        plain_K, packed_K = all_logprobs(bf16, trajectories), bf16(trajectories)
        wrong_K = all_logprobs(bf16, trajectories, position_shift=1)
    sampled_K = sampled_logprobs(bf16, trajectories)
    ways = {"sampled": sampled_K, "packed": packed_K, "positions off by one": wrong_K}
    for name, logprobs_K in ways.items():
        difference_K = (logprobs_K - plain_K).abs()
        record_property(f"{name}: mean", f"{difference_K.mean().item():.5f}")
        record_property(f"{name}: largest", f"{difference_K.max().item():.5f}")
        right = difference_K.mean() < MEAN and difference_K.max() < LARGEST
        assert right == (name != "positions off by one"), f"{name}: {difference_K.mean()}"
