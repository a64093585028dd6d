"""Log-probabilities a chunk at a time against the dense log-softmax."""

import pytest
import torch

from model_helpers import assert_same_gradients
from visionthink_pl.policy import Policy

pytestmark = pytest.mark.equivalence


@pytest.mark.parametrize("chunk", [1, 7, 36, 37, 100])
def test_chunks_equal_the_dense_pass(policy: Policy, chunk: int) -> None:
    generator, device = torch.Generator().manual_seed(0), policy.base.device
    width = policy.base.config.text_config.hidden_size
    hidden_KD = torch.randn(37, width, generator=generator).to(device).requires_grad_()
    usable = (~policy.never_sampled_V).nonzero().flatten()
    ids_K = usable[torch.randint(len(usable), (37,), generator=generator).to(device)]
    weights_K = torch.randn(37, generator=generator).to(device)

    dense_KV = policy.base.get_output_embeddings()(hidden_KD)
    dense_KV = dense_KV.masked_fill(policy.never_sampled_V, float("-inf")).log_softmax(-1)
    expected_K = dense_KV[torch.arange(37), ids_K]
    (expected,) = torch.autograd.grad((expected_K * weights_K).sum(), hidden_KD)

    found_K = policy.logprobs(hidden_KD, ids_K, chunk)
    torch.testing.assert_close(found_K, expected_K, atol=1e-5, rtol=0)
    (found,) = torch.autograd.grad((found_K * weights_K).sum(), hidden_KD)
    assert_same_gradients({"hidden": found}, {"hidden": expected})
    shifted_K = policy.logprobs(hidden_KD, ids_K.roll(1), chunk)
    assert (shifted_K - expected_K).abs().max() > 1e-4  # the control


def test_the_head_never_sees_more_than_a_chunk(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = policy.base.get_output_embeddings()
    sizes = []
    forward = head.forward
    monkeypatch.setattr(head, "forward", lambda x: sizes.append(len(x)) or forward(x))
    width = policy.base.config.text_config.hidden_size
    zeros_KD = torch.zeros(37, width, device=policy.base.device)
    policy.logprobs(zeros_KD, torch.full((37,), 5, device=policy.base.device), chunk=10)
    assert sizes == [10, 10, 10, 7]
