"""What can be trained, and what the reference then is."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from bitsandbytes.nn.modules import Linear4bit
from peft import PeftModel

from equivalence.naive import plain_logprobs
from model_helpers import assert_same_gradients, gradients_of, mixed_trajectories, rolled
from trainer_helpers import make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import AdapterCheckpoint
from visionthink_pl.families import Family
from visionthink_pl.losses import GRPOLoss
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.policy import Full, Lora, Policy, Tuning, check_loadable, load_policy
from visionthink_pl.training.optimizer import AdamW
from visionthink_pl.types import ConfigError


def load(family: Family, tuning: Tuning, reference: bool = True) -> Policy:
    return load_policy("embedded", family, tuning, 1.0, torch.float32, reference)


def push(policy: Policy) -> None:
    """Move what is trained, as an optimizer step would."""
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad:
                parameter += 0.01


def fit(folder: Path, steps: int, ckpt: Path | None = None, **settings) -> VisionThinkModule:
    """Train the embedded model for some steps, each one saved."""
    saves = AdapterCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    settings = {"loss": GRPOLoss(kl_coefficient=0.05)} | settings
    module = make_module(**settings)
    trainer = make_trainer(
        folder, make_rollout(), saves, enable_checkpointing=True, max_steps=steps, max_epochs=-1
    )
    trainer.fit(module, datamodule=make_data(), ckpt_path=ckpt)
    return module


def trained(module: VisionThinkModule) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in module.named_parameters() if p.requires_grad}


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, family: Family) -> Path:
    """The folder of an adapter that does something."""
    policy = load(family, Lora(r=4))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    folder = tmp_path_factory.mktemp("adapter")
    policy.model.save_pretrained(str(folder))
    return folder


def test_nf4_leaves_tower_and_head_alone(family: Family) -> None:
    policy = load(family, Lora(r=4, quantization="nf4"))
    quantised = {n for n, module in policy.named_modules() if isinstance(module, Linear4bit)}
    layers = policy.base.config.text_config.num_hidden_layers
    assert len(quantised) == 7 * layers
    assert not any("visual" in name or "lm_head" in name for name in quantised)
    one = policy.base.model.language_model.layers[0].mlp.up_proj.base_layer.weight
    assert one.quant_state.quant_type == "nf4" and one.quant_state.nested


def test_full_fine_tuning_trains_all_but_the_tower(family: Family) -> None:
    policy = load(family, Full())
    trains = {name: p.requires_grad for name, p in policy.model.named_parameters()}
    assert all(trains[name] != name.startswith("model.visual.") for name in trains)
    policy = load(family, Full(vision_tower=True), reference=False)
    assert all(parameter.requires_grad for parameter in policy.parameters())


def test_the_gradient_of_all_weights_is_that_of_plain_passes(family: Family) -> None:
    policy = load(family, Full(vision_tower=True), reference=False).train()
    trajectories = mixed_trajectories(family)
    expected_K = torch.cat([plain_logprobs(policy, t) for t in trajectories])
    weights_K = torch.randn(len(expected_K), generator=torch.Generator().manual_seed(0))
    (expected_K * weights_K).sum().backward()
    expected = gradients_of(policy)
    assert any("visual" in name for name in expected)
    (policy(trajectories) * weights_K).sum().backward()
    assert_same_gradients(gradients_of(policy), expected)


@pytest.mark.parametrize("tuning", [Full(), Full(vision_tower=True), Lora(r=4)], ids=str)
def test_the_reference_is_the_policy_as_training_started(family: Family, tuning: Tuning) -> None:
    policy = load(family, tuning)
    trajectories = mixed_trajectories(family)
    with torch.no_grad():
        started_K = policy(trajectories)
        assert torch.equal(policy.reference_logprobs(trajectories), started_K)
        push(policy)
        policy.forget_images()
        assert (policy(trajectories) - started_K).abs().max() > 1e-3
        assert torch.equal(policy.reference_logprobs(trajectories), started_K)


def test_the_reference_may_be_the_starting_adapter_or_the_base(
    family: Family, adapter: Path
) -> None:
    trajectories = mixed_trajectories(family)
    with torch.no_grad():
        base_K = load(family, Lora(r=4))(trajectories)
        for reference in ("start", "base"):
            policy = load(family, Lora(r=4, adapter=str(adapter), reference=reference))
            started_K = policy(trajectories)
            assert (started_K - base_K).abs().max() > 1e-3
            push(policy)
            expected_K = started_K if reference == "start" else base_K
            found_K = policy.reference_logprobs(trajectories)
            torch.testing.assert_close(found_K, expected_K, atol=1e-6, rtol=0)
            assert (policy(trajectories) - started_K).abs().max() > 1e-3  # back to the policy
            trains = {n for n, p in policy.named_parameters() if p.requires_grad}
            assert trains and all(".default." in name for name in trains)


def test_without_a_kl_there_is_no_copy(family: Family, adapter: Path) -> None:
    assert load(family, Full(), reference=False).frozen is None
    policy = load(family, Lora(r=4, adapter=str(adapter)), reference=False)
    assert isinstance(policy.model, PeftModel)
    assert list(policy.model.peft_config) == ["default"]


def changed(adapter: Path, folder: Path, **settings: object) -> str:
    shutil.copytree(adapter, folder, dirs_exist_ok=True)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("lora", "config", "message"),
    [
        ({"r": 8}, {}, r"model.lora.r: .* has 4, not 8; set it to that"),
        ({"r": 4, "alpha": 8}, {}, r"model.lora.alpha: .* has 32, not 8"),
        ({"r": 4}, {"lora_dropout": 0.1}, "sets lora_dropout"),
        ({"r": 4}, {"modules_to_save": ["lm_head"]}, "sets modules_to_save"),
        ({"r": 4}, {"bias": "all"}, "sets bias"),
        ({"r": 4}, {"target_modules": ["up_proj"]}, "reaches into the vision tower"),
    ],
)
def test_adapters_that_training_cannot_start_from(
    family: Family, adapter: Path, tmp_path: Path, lora: dict, config: dict, message: str
) -> None:
    folder = changed(adapter, tmp_path, **config)
    with pytest.raises(ConfigError, match=message):
        check_loadable("embedded", family, Lora(**lora, adapter=folder))


def test_an_adapter_that_is_not_there_or_whose_targets_are_named_twice(adapter: Path) -> None:
    with pytest.raises(ConfigError, match=r"model.lora.adapter: there is no adapter_config.json"):
        Lora(adapter="no/such/folder")
    with pytest.raises(ConfigError, match=r"model.lora.targets: leave it out"):
        Lora(r=4, adapter=str(adapter), targets=".*q_proj")


def test_weights_that_are_quantised_already(family: Family, tmp_path: Path) -> None:
    load(family, Lora(quantization="nf4")).base.save_pretrained(str(tmp_path))
    with pytest.raises(ConfigError, match=r"model.pretrained: .* quantised already"):
        check_loadable(str(tmp_path), family, Lora())


SETTINGS = {
    "full, the tower too": {
        "lora": None,
        "train_vision_tower": True,
        "gradient_checkpointing": 2,
        "optimizer": AdamW(lr=1e-3),
    },
    "QLoRA, 8-bit AdamW": {
        "lora": Lora(r=4, quantization="nf4"),
        "optimizer": AdamW(lr=1e-2, variant="8bit"),
        "gradient_checkpointing": True,
    },
}


@pytest.mark.integration
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_a_resumed_run_is_the_rest_of_the_whole_one(tmp_path: Path, settings: dict) -> None:
    whole = trained(fit(tmp_path / "whole", 3, **settings))
    resumed = fit(tmp_path / "rest", 3, tmp_path / "whole" / "step=1.ckpt", **settings)
    started = torch.load(tmp_path / "whole" / "step=1.ckpt", weights_only=False)["state_dict"]
    assert started.keys() == whole.keys()
    for name, value in trained(resumed).items():
        torch.testing.assert_close(value, whole[name], atol=1e-5, rtol=1e-4)
    assert any((whole[name] - value).abs().max() > 1e-4 for name, value in started.items())


@pytest.mark.integration
def test_a_run_is_not_resumed_with_weights_that_mean_something_else(tmp_path: Path) -> None:
    fit(tmp_path, 1, lora=Lora(r=4))
    for changed in (Lora(r=8), Lora(r=4, alpha=8), Lora(r=4, quantization="nf4"), None):
        with pytest.raises(ConfigError, match="ckpt_path: the checkpoint was trained with .*'mod"):
            fit(tmp_path / "rest", 2, tmp_path / "step=1.ckpt", lora=changed)


@pytest.mark.integration
def test_a_resumed_run_keeps_the_adapter_that_it_started_from(
    tmp_path: Path, adapter: Path
) -> None:
    """Also where its folder has changed meanwhile: the checkpoint holds a copy."""
    source = tmp_path / "source"
    shutil.copytree(adapter, source)
    settings = {"lora": Lora(r=4, adapter=str(source))}
    fit(tmp_path / "whole", 2, **settings)
    shutil.copytree(tmp_path / "whole" / "step=2", source, dirs_exist_ok=True)
    resumed = fit(tmp_path / "rest", 2, tmp_path / "whole" / "step=2.ckpt", **settings)
    assert resumed.policy is not None
    started = torch.load(tmp_path / "whole" / "step=1.ckpt", weights_only=False)["state_dict"]
    kept = {n: v for n, v in started.items() if ".reference." in n}
    assert kept
    for name, value in kept.items():
        torch.testing.assert_close(resumed.state_dict()[name], value, atol=0, rtol=0)


def test_every_nth_layer_is_computed_again(family: Family) -> None:
    module = make_module(gradient_checkpointing=2)
    module.trainer = make_trainer(Path("."))
    module.configure_model()
    assert module.policy is not None
    layers = module.policy.base.model.language_model.layers
    again = [layer.gradient_checkpointing for layer in layers]
    assert again.count(True) == len(layers) / 2


def test_settings_that_cannot_work() -> None:
    with pytest.raises(ConfigError, match="model.train_vision_tower: only under full"):
        make_module(train_vision_tower=True)
    module = make_module(optimizer=AdamW(variant="paged_8bit"))
    with pytest.raises(ConfigError, match=r"model.optimizer.variant: paged_8bit .* torch or 8bit"):
        module.check(make_trainer(Path(".")))


def test_sampling_over_4_bits_leaves_them_trainable(family: Family) -> None:
    """A forward pass without gradients must not repack the weights (see ``load``)."""
    policy = load(family, Lora(r=4, quantization="nf4"))
    trajectories = [t for group in rolled(policy) for t in group.trajectories]
    policy(trajectories).sum().backward()
    assert gradients_of(policy)
