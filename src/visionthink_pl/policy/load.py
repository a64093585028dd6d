"""From a checkpoint to a policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from transformers import BitsAndBytesConfig, PreTrainedModel

from visionthink_pl.families import Family, resolve
from visionthink_pl.policy.attention import SHARED_PREFIX
from visionthink_pl.policy.tuning import Full, Lora, Tuning
from visionthink_pl.types import ConfigError

if TYPE_CHECKING:
    from visionthink_pl.policy.policy import Policy  # with peft, which takes seconds to load


def check_loadable(pretrained: str, family: Family, tuning: Tuning) -> None:
    """Refuse checkpoints that ``load_policy`` can't load, from their config alone.

    Raises:
        ConfigError: the weights are quantised already, dropout or a sliding window is switched on,
            or the adapters hit no linear layer, or one of the vision tower.
    """
    skeleton = family.skeleton(resolve(pretrained))
    if "quantization_config" in skeleton.config.to_dict():
        raise ConfigError(
            f"model.pretrained: the weights of {pretrained!r} are quantised already; name the "
            "checkpoint that they were made from, and set model.lora.quantization"
        )
    text = skeleton.config.text_config.to_dict()
    if dropout := text.get("attention_dropout"):
        raise ConfigError(
            f"model.pretrained: {pretrained!r} sets attention_dropout to {dropout}; it must be 0, "
            "or the policy that is trained is not the one that sampled"
        )
    if _slides(text):
        raise ConfigError(
            f"model.pretrained: {pretrained!r} has layers that see a sliding window alone; here "
            "all see the whole prompt (use_sliding_window: false or sliding_window: null in its "
            "config)"
        )
    if isinstance(tuning, Lora):
        from visionthink_pl.policy.adapter import check_targets

        check_targets(skeleton, tuning, family)


def _slides(text: Mapping[str, Any]) -> bool:
    """Whether layers have windows: the config says it of each, or else names one for all."""
    if kinds := text.get("layer_types"):
        return not {"sliding_attention", "chunked_attention"}.isdisjoint(kinds)
    return text.get("sliding_window") is not None


def load_policy(
    pretrained: str,
    family: Family,
    tuning: Tuning,
    temperature: float,
    dtype: torch.dtype,
    reference: bool = False,
) -> Policy:
    """Load the weights, and what is trained.

    Args:
        pretrained: ``embedded``, a local folder, or a hub id.
        family: its family.
        tuning: what is trained.
        temperature: of the distribution that is sampled from and trained.
        dtype: of a frozen base; weights that are trained are fp32, or steps as small as the
            paper's 1e-6 would be lost in rounding.
        reference: whether the policy as training starts will be asked for. Adapters that start
            at zero need no copy of it.
    """
    from visionthink_pl.policy.adapter import add_adapter, start_from
    from visionthink_pl.policy.policy import Policy

    path = resolve(pretrained)
    if isinstance(tuning, Full):
        return _all_weights(path, family, tuning, temperature, reference)
    quantization = nf4(dtype, family) if tuning.quantization == "nf4" else None
    model = family.load_model(path, dtype, SHARED_PREFIX, quantization)
    if quantization is not None:
        from visionthink_pl.internals.bitsandbytes import keep_layout

        keep_layout(model)  # without it the first rollout would end the training
    if tuning.adapter is None:
        adapted = add_adapter(model, tuning, family)
    else:
        keep_start = reference and tuning.keeps_start
        adapted = start_from(model, tuning.adapter, "model.lora.adapter", keep_start)
    has_reference = reference or not tuning.keeps_start
    return Policy(adapted, family, temperature, reference=has_reference)


def _all_weights(
    path: str, family: Family, tuning: Full, temperature: float, reference: bool
) -> Policy:
    from visionthink_pl.policy.policy import Policy

    def load() -> PreTrainedModel:
        return family.load_model(path, torch.float32, SHARED_PREFIX)

    model = load().requires_grad_(True)
    model.get_submodule(family.vision_tower).requires_grad_(tuning.vision_tower)
    frozen = Policy(load(), family, temperature) if reference else None
    return Policy(model, family, temperature, frozen)


def nf4(dtype: torch.dtype, family: Family) -> BitsAndBytesConfig:
    """4-bit NormalFloat weights with quantised scales (Dettmers et al., 2023, Sec. 3), computed
    with in ``dtype``."""
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        # The bare name of the tower would not keep it out.
        llm_int8_skip_modules=[family.vision_tower, family.head],
    )
