"""Merging rounds once, and uses the weights that the policy computed with."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForImageTextToText

from equivalence.naive import plain_logprobs
from export_helpers import export, read_card, save_run, turns_of_export, turns_of_trainer
from model_helpers import mixed_trajectories
from visionthink_pl.commands.export.find import find_run
from visionthink_pl.commands.export.merge import Difference, Merged, merge
from visionthink_pl.commands.export.trained import read_trained
from visionthink_pl.families import EMBEDDED, Family
from visionthink_pl.policy import Full, Lora, Policy, load_policy

LAYER = "model.language_model.layers.0.mlp.up_proj"
PROJECTION = re.compile(r"model\.layers\..*_proj\.weight")  # what gets an adapter by default
ON_HUB = "model.layers.0.mlp.up_proj.weight"


def adapted(family: Family, tuning: Lora, dtype: torch.dtype) -> Policy:
    policy = load_policy("embedded", family, tuning, 1.0, dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    return policy


def delta(policy: Policy) -> Tensor:
    """What the adapter adds to one layer, by hand: alpha / r times B A."""
    layer = policy.base.get_submodule(LAYER)
    b, a = layer.lora_B["default"].weight, layer.lora_A["default"].weight
    return (32 / 4) * (b @ a).detach()


def merged(ckpt: Path) -> Merged:
    run = find_run(ckpt, None, None)
    return merge(read_trained(ckpt, run), run)


def test_difference_by_hand() -> None:
    found = Difference()
    found.add(torch.tensor([1.0, -2.0]), torch.tensor([1.5, -2.0]))
    found.add(torch.tensor([0.0, 3.0]), torch.tensor([0.25, 2.0]))
    assert (found.largest, found.mean, found.count) == (1.0, 1.75 / 4, 4)


def test_bf16_is_rounded_once_and_the_rounding_is_reported(tmp_path: Path, family: Family) -> None:
    policy = adapted(family, Lora(r=4), torch.bfloat16)
    model = {"precision": "bf16-mixed", "lora": {"r": 4, "alpha": 32}}
    ckpt, _ = save_run(policy, tmp_path / "run", **model)
    out = export(ckpt, tmp_path / "out", "--merge")
    saved = load_file(out / "model.safetensors")
    assert {value.dtype for value in saved.values()} == {torch.bfloat16}
    as_published = load_file(EMBEDDED / "model.safetensors")
    assert saved.keys() == as_published.keys()  # a tied head is not written
    base = as_published[ON_HUB].bfloat16()
    exact = base.float() + delta(policy)
    torch.testing.assert_close(saved[ON_HUB], exact.bfloat16(), rtol=0, atol=0)
    twice = base + delta(policy).bfloat16()
    assert not torch.equal(saved[ON_HUB], twice)

    found = merged(ckpt)
    assert found.weights.count == sum(
        value.numel() for name, value in saved.items() if PROJECTION.fullmatch(name)
    )
    here = (exact.bfloat16().float() - exact).abs()
    assert here.max() <= found.weights.largest <= 2 * here.max()
    assert 0 < found.weights.mean < found.weights.largest
    assert 1e-4 < found.logprobs.largest < 1
    assert f"{found.weights.largest:.2g} at most" in " ".join(read_card(out)[1].split())
    reloaded = AutoModelForImageTextToText.from_pretrained(out)
    assert reloaded.dtype == torch.bfloat16
    inverse = reloaded.model.language_model.rotary_emb.inv_freq
    torch.testing.assert_close(inverse, policy.base.model.language_model.rotary_emb.inv_freq)


def test_whole_weights_are_rounded_to_what_the_run_computed_in(
    tmp_path: Path, family: Family
) -> None:
    policy = load_policy("embedded", family, Full(), 1.0, torch.float32)
    ckpt, _ = save_run(policy, tmp_path / "run", precision="bf16-mixed", lora=None)
    saved = load_file(export(ckpt, tmp_path / "out") / "model.safetensors")
    base = load_file(EMBEDDED / "model.safetensors")
    assert saved.keys() == base.keys()
    assert all(torch.equal(saved[name], value.bfloat16()) for name, value in base.items())
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"
    trained = {name for name in base if not name.startswith("visual.")}
    expected = max((base[n] - base[n].bfloat16().float()).abs().max().item() for n in trained)
    assert merged(ckpt).weights.largest == expected > 0


@pytest.fixture(scope="module")
def in_4_bits(tmp_path_factory: pytest.TempPathFactory, family: Family) -> tuple[Policy, Path]:
    """A policy over a 4-bit base, computed in fp32, and its checkpoint."""
    policy = adapted(family, Lora(r=4, quantization="nf4"), torch.float32)
    lora = {"r": 4, "alpha": 32, "quantization": "nf4"}
    return policy, save_run(policy, tmp_path_factory.mktemp("nf4") / "run", lora=lora)[0]


def test_a_4_bit_base_is_merged_as_the_policy_had_it(
    in_4_bits: tuple[Policy, Path], tmp_path: Path
) -> None:
    policy, ckpt = in_4_bits
    out = export(ckpt, tmp_path / "out", "--merge")
    expected = turns_of_trainer(policy)
    assert turns_of_export(out) == expected
    assert turns_of_export(export(ckpt, tmp_path / "adapter")) == expected
    assert "quantization_config" not in (out / "config.json").read_text()
    saved = load_file(out / "model.safetensors")
    assert {value.dtype for value in saved.values()} == {torch.float32}


def test_merged_into_the_original_weights_it_would_be_another_policy(
    in_4_bits: tuple[Policy, Path], family: Family, tmp_path: Path
) -> None:
    policy, ckpt = in_4_bits
    found = merged(ckpt)
    assert found.weights.largest == 0  # fp32
    assert found.logprobs.largest < 1e-4
    onto_original = adapted(family, Lora(r=4), torch.float32)
    trajectories = mixed_trajectories(family)
    wanted_K, other_K = (
        torch.cat([plain_logprobs(each, t) for t in trajectories]).detach()
        for each in (policy, onto_original)
    )
    found_K = torch.cat(
        [plain_logprobs(Policy(found.model, family, 1.0), t) for t in trajectories]
    ).detach()
    torch.testing.assert_close(found_K, wanted_K, atol=1e-4, rtol=0)
    assert (other_K - wanted_K).abs().max() > 0.05
