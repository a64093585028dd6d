"""Which family a checkpoint is of, what is refused, and whose code is run."""

import builtins
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    LlavaConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3VLMoeConfig,
    dynamic_module_utils,
)

from families_helpers import NAMES
from trainer_helpers import make_module
from visionthink_pl.families import FAMILIES, Qwen2_5VL, Qwen2VL, load_family
from visionthink_pl.policy.policy_options import PolicyOptions
from visionthink_pl.types import ConfigError

STRANGER = """\
from pathlib import Path

from transformers import PreTrainedConfig

Path(__file__).with_name("ran").touch()


class StrangerConfig(PreTrainedConfig):
    model_type = "stranger"
"""


class Renamed(Qwen2_5VL):
    """Another class for the same checkpoints."""


def test_each_checkpoint_has_its_family(qwen_checkpoint: Path) -> None:
    name = json.loads((qwen_checkpoint / "config.json").read_text())["model_type"]
    assert type(load_family(qwen_checkpoint)) is FAMILIES[name]
    assert set(FAMILIES) == set(NAMES)


def test_a_family_of_one_s_own() -> None:
    assert type(load_family("embedded")) is Qwen2_5VL
    assert type(load_family("embedded", Renamed)) is Renamed


def test_a_family_for_other_checkpoints() -> None:
    with pytest.raises(
        ConfigError, match="model.family: Qwen2VL is for qwen2_vl, but .* is a qwen2_5"
    ):
        load_family("embedded", Qwen2VL)


@pytest.mark.parametrize("config", [LlavaConfig(), Qwen2Config(), Qwen3VLMoeConfig()])
def test_an_unknown_family_is_told_which_are_known(
    config: PreTrainedConfig, tmp_path: Path
) -> None:
    config.save_pretrained(tmp_path)
    with pytest.raises(ConfigError) as refused:
        load_family(tmp_path)
    assert f"is a {config.model_type}; families known here: {', '.join(sorted(NAMES))}; " in str(
        refused.value
    )


@pytest.mark.parametrize("trusted", [False, True])
def test_code_of_a_checkpoint_runs_where_it_is_trusted_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    auto_map = {"AutoConfig": "configuration_stranger.StrangerConfig"}
    config = {"model_type": "stranger", "auto_map": auto_map}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "configuration_stranger.py").write_text(STRANGER)
    cache = tmp_path / "cache"
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(cache))
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("it asked on the terminal"))
    expected = "is a stranger; families known" if trusted else "set model.trust_remote_code: true"
    with pytest.raises(ConfigError, match=expected):
        load_family(tmp_path, trust_remote_code=trusted)
    assert bool([*cache.rglob("ran")]) == trusted


@pytest.mark.parametrize("trusted", [False, True])
def test_transformers_is_always_told_whether_to_trust(
    qwen_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    told: dict[str, list[object]] = {}

    def spy(owner: type, name: str) -> None:
        plain = getattr(owner, name)

        def call(*args: object, **kwargs: object) -> object:
            told.setdefault(f"{owner.__name__}.{name}", []).append(kwargs.get("trust_remote_code"))
            return plain(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    spy(AutoConfig, "from_pretrained")
    spy(AutoProcessor, "from_pretrained")
    spy(AutoModelForImageTextToText, "from_config")
    spy(AutoModelForImageTextToText, "from_pretrained")
    family = load_family(qwen_checkpoint, trust_remote_code=trusted)
    family.skeleton(qwen_checkpoint)
    family.load_model(qwen_checkpoint, torch.float32, "sdpa")
    assert len(told) == 4
    assert {value for values in told.values() for value in values} == {trusted}


def test_weights_that_are_missing_are_not_made_up(qwen_checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(qwen_checkpoint, tmp_path / "short")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("layers.1.mlp.up_proj.weight"))
    del weights[name]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match="lacks 1 of the model's weights, .*layers.1.mlp.up_proj"):
        load_family(folder).load_model(folder, torch.float32, "sdpa")


def test_a_folder_without_processor(qwen_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copy(qwen_checkpoint / "config.json", tmp_path)
    with pytest.raises(ConfigError, match="has no processor"):
        load_family(tmp_path)
    with pytest.raises(ConfigError, match="model.pretrained: can't read a model config at"):
        load_family(tmp_path / "nowhere")


@pytest.mark.parametrize("trusted", [False, True])
def test_the_option_reaches_the_family(trusted: bool) -> None:
    assert make_module(trust_remote_code=trusted).family.trust_remote_code == trusted
    policy = PolicyOptions(trust_remote_code=trusted).load(temperature=1.0)
    assert policy.family.trust_remote_code == trusted
