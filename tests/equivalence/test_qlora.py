"""The same over a base in 4 bits: packed rows against a plain pass per trajectory."""

import pytest
import torch

from equivalence.naive import plain_logprobs
from model_helpers import assert_same_gradients, gradients_of, rolled
from visionthink_pl.families import Family
from visionthink_pl.policy import Lora, Policy, load_policy

pytestmark = pytest.mark.equivalence


@pytest.fixture(scope="module")
def policy(family: Family) -> Policy:
    """The embedded model in nf4, tower and head left alone, with an adapter off zero."""
    policy = load_policy("embedded", family, Lora(r=4, quantization="nf4"), 1.0, torch.float32)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    return policy


def test_the_base_is_in_4_bits(policy: Policy) -> None:
    layer = policy.base.model.language_model.layers[0].mlp.up_proj.base_layer
    assert type(layer).__name__ == "Linear4bit" and layer.weight.dtype == torch.uint8


def test_sampled_and_trained_are_the_plain_pass_s(policy: Policy) -> None:
    trajectories = [t for group in rolled(policy) for t in group.trajectories]
    expected_K = torch.cat([plain_logprobs(policy, t) for t in trajectories])
    sampled_K = torch.tensor([value for t in trajectories for value in t.logprobs])
    torch.testing.assert_close(sampled_K, expected_K.detach(), atol=1e-5, rtol=0)
    weights_K = torch.randn(len(expected_K), generator=torch.Generator().manual_seed(0))
    (expected_K * weights_K).sum().backward()
    expected = gradients_of(policy)
    found_K = policy(trajectories)
    torch.testing.assert_close(found_K, expected_K, atol=1e-5, rtol=0)
    (found_K * weights_K).sum().backward()
    assert_same_gradients(gradients_of(policy), expected)
