"""Adapters over a language model: PEFT's LoRA."""

from __future__ import annotations

from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from visionthink_pl.families import Family
from visionthink_pl.internals.peft import check_target_module_exists
from visionthink_pl.policy.tuning import Lora
from visionthink_pl.types import ConfigError

REFERENCE = "reference"  # PEFT's name for the frozen copy of the adapter that training began with


def lora_config(lora: Lora, family: Family) -> LoraConfig:
    """PEFT's config: that of the adapter to start from, or one of our own.

    Raises:
        ConfigError: the adapter to start from is not LoRA alone, or of another rank or scale.
    """
    if lora.adapter is not None:
        return _config_of(lora, lora.adapter)
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        target_modules=lora.targets or family.lora_targets,
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )


def _config_of(lora: Lora, folder: str) -> LoraConfig:
    config = PeftConfig.from_pretrained(folder)
    if not isinstance(config, LoraConfig):
        raise ConfigError(f"model.lora.adapter: {folder!r} is a {config.peft_type}, not LoRA")
    for key, own, named in (("r", lora.r, config.r), ("alpha", lora.alpha, config.lora_alpha)):
        if own != named:
            raise ConfigError(
                f"model.lora.{key}: {folder!r} has {named}, not {own}; set it to that"
            )
    beyond = {
        "lora_dropout": config.lora_dropout,
        "modules_to_save": config.modules_to_save,
        "bias": config.bias != "none",
        "rank_pattern": config.rank_pattern,
        "alpha_pattern": config.alpha_pattern,
    }
    if named_beyond := [name for name, value in beyond.items() if value]:
        raise ConfigError(
            f"model.lora.adapter: {folder!r} sets {', '.join(named_beyond)}; adapters of one rank "
            "without dropout are what can be trained on here"
        )
    return config


def check_targets(model: PreTrainedModel, lora: Lora, family: Family) -> None:
    """Check which linear layers of ``model`` (its weights play no part) would get an adapter.

    Raises:
        ConfigError: none, one of the vision tower, or a head that shares the weights of the input
            embeddings, which the adapter would change too once it is merged.
    """
    config = lora_config(lora, family)
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    hit = [name for name in linear if check_target_module_exists(config, name)]
    key = "targets" if lora.adapter is None else "adapter"
    pattern = f"model.lora.{key}: {config.target_modules!r}"
    right = f"keep to layers of the language model, as {family.lora_targets!r} does"
    if not hit:
        raise ConfigError(f"{pattern} matches no linear layer; {right}")
    tower = [name for name in hit if name.startswith(f"{family.vision_tower}.")]
    if tower:
        raise ConfigError(f"{pattern} reaches into the vision tower ({tower[0]}); {right}")
    if family.head in hit and model.config.tie_word_embeddings:
        raise ConfigError(f"{pattern} reaches the head, which is tied to the embeddings; {right}")


def add_adapter(model: PreTrainedModel, lora: Lora, family: Family) -> PeftModel:
    """Wrap ``model`` with adapters that start at zero, in fp32."""
    return get_peft_model(model, lora_config(lora, family))


def start_from(
    model: PreTrainedModel, adapter: str, key: str, keep_start: bool = False
) -> PeftModel:
    """Wrap ``model`` with the adapter in a folder, trainable, in fp32.

    Args:
        model: the base.
        adapter: the folder.
        key: of the config that names it.
        keep_start: load it once more under the name ``REFERENCE``, frozen.

    Raises:
        ConfigError: it does not fit the base.
    """
    try:
        adapted = PeftModel.from_pretrained(model, adapter, is_trainable=True)
    except (RuntimeError, ValueError) as error:  # sizes, or layers, that aren't there
        first = " ".join(str(error).split("\n")[:2])  # it goes on for every layer
        raise ConfigError(f"{key}: {adapter!r} does not fit the model: {first}") from error
    if keep_start:
        adapted.load_adapter(adapter, REFERENCE)
    return adapted
