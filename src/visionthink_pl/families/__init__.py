"""Model families: one file each, found by the ``model_type`` in a checkpoint's config."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoConfig

from visionthink_pl.families.base import Family, Message, Pixels
from visionthink_pl.families.qwen2_5_vl import Qwen2_5VL
from visionthink_pl.types import ConfigError

__all__ = ["EMBEDDED", "Family", "Message", "Pixels", "Qwen2_5VL", "load_family", "resolve"]

FAMILIES: dict[str, type[Family]] = {"qwen2_5_vl": Qwen2_5VL}
EMBEDDED = Path(__file__).parents[1] / "assets" / "tiny_vlm"


def resolve(pretrained: str | Path) -> str:
    """``embedded`` is the model that ships in the package; all else is a folder or a hub id."""
    return str(EMBEDDED) if pretrained == "embedded" else str(pretrained)


def load_family(pretrained: str | Path) -> Family:
    """Load the processor of a checkpoint, by the family that its config names.

    Raises:
        ConfigError: the checkpoint can't be found, or its family is not known here.
    """
    path = resolve(pretrained)
    try:
        model_type = AutoConfig.from_pretrained(path).model_type
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"model.pretrained: can't read a model config at {path!r}: {error}"
        ) from error
    if model_type not in FAMILIES:
        raise ConfigError(
            f"model.pretrained: {path!r} is a {model_type}; families known here: "
            f"{', '.join(sorted(FAMILIES))}"
        )
    return FAMILIES[model_type].from_pretrained(path)
