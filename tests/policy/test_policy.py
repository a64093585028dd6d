"""What trains, what is never sampled, and that the reference is the base."""

import pytest
import torch

from model_helpers import mixed_trajectories
from visionthink_pl.families import Family
from visionthink_pl.policy import Policy


@pytest.mark.equivalence
def test_the_reference_is_the_base_exactly(policy: Policy, family: Family) -> None:
    trajectories = mixed_trajectories(family)
    with torch.no_grad():
        adapted_K = policy(trajectories)
        reference_K = policy.reference_logprobs(trajectories)
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.zero_()
        base_K = policy(trajectories)
    assert torch.equal(reference_K, base_K)
    assert not torch.equal(adapted_K, base_K)


def test_ids_that_are_never_sampled(policy: Policy, family: Family) -> None:
    tokens = [f"<|{name}|>" for name in ("image_pad", "video_pad", "vision_pad")]
    tokens += ["<|vision_start|>", "<|vision_end|>"]
    masked = {*family.tokenizer.convert_tokens_to_ids(tokens), family.pad_id}
    masked |= set(range(len(family.tokenizer), policy.never_sampled_V.shape[0]))
    assert set(policy.never_sampled_V.nonzero().flatten().tolist()) == masked
    assert family.end_of_turn_id not in masked


def test_only_adapters_of_the_language_model_train(policy: Policy) -> None:
    trained = [name for name, p in policy.named_parameters() if p.requires_grad]
    assert trained
    assert all("language_model" in name and "lora_" in name for name in trained)
