"""How ids are chosen."""

import pytest
import torch

from visionthink_pl.rollout.rows import pick, uniforms


def test_pick_is_the_inverse_cdf() -> None:
    logprobs_NV = torch.tensor([0.5, 0.0, 0.25, 0.25]).log().expand(5, 4)
    uniform_N = torch.tensor([0.0, 0.49, 0.5, 0.76, 1 - 2**-24])
    assert pick(logprobs_NV, uniform_N).tolist() == [0, 0, 2, 3, 3]
    assert pick(logprobs_NV, None).tolist() == [0] * 5


def test_pick_samples_in_proportion_and_never_what_is_masked() -> None:
    probabilities_V = torch.tensor([0.1, 0.0, 0.6, 0.3, 0.0])
    count = 20_000
    chosen_N = pick(probabilities_V.log().expand(count, 5), uniforms(0, "a", count))
    frequencies_V = torch.bincount(chosen_N, minlength=5) / count
    torch.testing.assert_close(frequencies_V, probabilities_V, atol=0.01, rtol=0)
    assert frequencies_V[1] == frequencies_V[4] == 0


def test_uniforms_depend_on_seed_and_key_alone() -> None:
    assert uniforms(0, "3/x/1/0", 2).tolist() == pytest.approx(
        [0.23590511083602905, 0.41454243659973145]
    )
    assert torch.equal(uniforms(0, "a", 4), uniforms(0, "a", 4))
    assert torch.equal(uniforms(0, "a", 8)[:4], uniforms(0, "a", 4))
    assert not torch.equal(uniforms(0, "a", 4), uniforms(0, "b", 4))
    assert not torch.equal(uniforms(0, "a", 4), uniforms(1, "a", 4))
