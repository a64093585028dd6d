"""What trains, and what is never sampled."""

import pytest
import torch

from model_helpers import make_conversation
from visionthink_pl.data import LookCloser
from visionthink_pl.families import Family
from visionthink_pl.policy import Lora, Policy, load_policy
from visionthink_pl.rollout import RolloutEngine, Sampling


def test_ids_that_are_never_sampled(policy: Policy, family: Family) -> None:
    names = ["image_pad", "video_pad", "vision_pad", "vision_start", "vision_end"]
    names += ["im_start", "endoftext", "object_ref_start", "object_ref_end"]
    names += ["box_start", "box_end", "quad_start", "quad_end"]
    masked = {*family.tokenizer.convert_tokens_to_ids([f"<|{name}|>" for name in names])}
    masked |= set(range(len(family.tokenizer), policy.never_sampled_V.shape[0]))
    assert set(policy.never_sampled_V.nonzero().flatten().tolist()) == masked
    assert family.end_of_turn_id not in masked


@pytest.mark.equivalence
def test_the_embedded_model_samples_what_it_did_when_it_was_trained(family: Family) -> None:
    """Then vision and padding tokens alone were masked; what ships was found by that."""
    samples, found = [LookCloser(24)[index] for index in range(24)], []
    for names in (family.vision_tokens, ()):
        policy = load_policy("embedded", family, Lora(r=4), 1.0, torch.float32)
        if names:
            policy.never_sampled_V[: len(family.tokenizer)] = False
            policy.never_sampled_V[[family.pad_id, *map(family.token_id, names)]] = True
        engine = RolloutEngine(policy, make_conversation(family), Sampling(2, 40, 96, seed=0))
        found.append([t for g in engine.rollout(samples, 4, draw=0) for t in g.trajectories])
    before, now = found
    assert [t.ids for t in now] == [t.ids for t in before]
    assert any(t.high for t in now) and any(t.direct for t in now)
    logprobs_2K = torch.tensor([[v for t in rows for v in t.logprobs] for rows in found])
    assert 0 < (logprobs_2K[0] - logprobs_2K[1]).abs().max() < 1e-4


def test_only_adapters_of_the_language_model_train(policy: Policy) -> None:
    trained = [name for name, p in policy.named_parameters() if p.requires_grad]
    assert trained
    assert all("language_model" in name and "lora_" in name for name in trained)
