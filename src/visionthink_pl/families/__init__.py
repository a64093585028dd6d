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


def load_family(pretrained: str | Path, family: type[Family] | None = None) -> Family:
    """Load the processor of a checkpoint.

    Args:
        pretrained: ``embedded``, a folder or a hub id.
        family: the class to load it with; by default the one for the ``model_type`` that the
            checkpoint's config names.

    Raises:
        ConfigError: the checkpoint can't be found, has no processor, or is of a family that is
            not known here.
    """
    path = resolve(pretrained)
    try:
        model_type = AutoConfig.from_pretrained(path).model_type
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"model.pretrained: can't read a model config at {path!r}: {error}"
        ) from error
    if family is None and model_type not in FAMILIES:
        raise ConfigError(
            f"model.pretrained: {path!r} is a {model_type}; families known here: "
            f"{', '.join(sorted(FAMILIES))}; model.family takes another one's class"
        )
    try:
        return (family or FAMILIES[model_type]).from_pretrained(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"model.pretrained: {path!r} has no processor: {error}") from error
