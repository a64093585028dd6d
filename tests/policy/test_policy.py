"""What trains, and what is never sampled."""

from visionthink_pl.families import Family
from visionthink_pl.policy import Policy


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
