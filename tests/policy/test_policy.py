"""Log-probabilities of padded two-turn batches against one plain pass per trajectory."""

import pytest
import torch

from model_helpers import mixed_trajectories, plain_logprobs
from visionthink_pl.families import Family
from visionthink_pl.policy import Policy


@pytest.mark.equivalence
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_padded_batch_equals_a_plain_pass_per_trajectory(
    policy: Policy, family: Family, temperature: float
) -> None:
    trajectories = mixed_trajectories(family)
    policy.temperature = temperature
    try:
        with torch.no_grad():
            expected_K = torch.cat([plain_logprobs(policy, t) for t in trajectories])
            torch.testing.assert_close(policy(trajectories), expected_K, atol=1e-5, rtol=0)
    finally:
        policy.temperature = 1.0


@pytest.mark.equivalence
def test_negative_control_image_positions_off_by_one_are_noticed(
    policy: Policy, family: Family
) -> None:
    trajectory = mixed_trajectories(family)[0]
    with torch.no_grad():
        shifted_K = plain_logprobs(policy, trajectory, position_shift=1)
        assert (policy([trajectory]) - shifted_K).abs().max() > 1e-4


@pytest.mark.equivalence
def test_one_trajectory_does_not_touch_another(policy: Policy, family: Family) -> None:
    first, second, *_ = mixed_trajectories(family)
    count = second.response_tokens
    with torch.no_grad():
        before_K = policy([first, second])[-count:]
        first.prompt_ids[5] = family.tokenizer.encode("colour")[0]
        after_K = policy([first, second])
    assert torch.equal(after_K[-count:], before_K)


@pytest.mark.equivalence
def test_the_reference_is_the_base_exactly(policy: Policy, family: Family) -> None:
    trajectories = mixed_trajectories(family)
    with torch.no_grad():
        adapted_K = policy(trajectories)
        reference_K = policy.reference_logprobs(trajectories)
        for module in policy.modules():
            if hasattr(module, "lora_B"):
                for layer in module.lora_B.values():
                    layer.weight.zero_()
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
