"""Model families: one file each, found by the ``model_type`` in a checkpoint's config."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoConfig

from visionthink_pl.families.base import Family, Message
from visionthink_pl.families.inputs import Embedded, Pixels
from visionthink_pl.families.qwen2_5_vl import Qwen2_5VL
from visionthink_pl.families.qwen2_vl import Qwen2VL
from visionthink_pl.families.qwen3_vl import Qwen3VL
from visionthink_pl.types import ConfigError

__all__ = [
    "EMBEDDED",
    "FAMILIES",
    "Embedded",
    "Family",
    "Message",
    "Pixels",
    "Qwen2VL",
    "Qwen2_5VL",
    "Qwen3VL",
    "load_family",
    "resolve",
]

FAMILIES: dict[str, type[Family]] = {
    family.model_type: family for family in (Qwen2VL, Qwen2_5VL, Qwen3VL)
}
EMBEDDED = Path(__file__).parent / "tiny_vlm"


def resolve(pretrained: str | Path) -> str:
    """``embedded`` is the model that ships in the package; all else is a folder or a hub id."""
    return str(EMBEDDED) if pretrained == "embedded" else str(pretrained)


def load_family(
    pretrained: str | Path, family: type[Family] | None = None, trust_remote_code: bool = False
) -> Family:
    """Load the processor of a checkpoint.

    Args:
        pretrained: ``embedded``, a folder or a hub id.
        family: the class to load it with; by default the one for the ``model_type`` that the
            checkpoint's config names.
        trust_remote_code: run code that comes with the checkpoint, now and when the model is
            loaded; without it such code is never run, nor asked about.

    Raises:
        ConfigError: the checkpoint can't be found, has no processor, needs code that is not
            trusted, is of a family that is not known here, or is not of ``family``.
    """
    path = resolve(pretrained)
    try:
        config = AutoConfig.from_pretrained(path, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"model.pretrained: can't read a model config at {path!r}: {_reason(error)}"
        ) from error
    if family is None and config.model_type not in FAMILIES:
        raise ConfigError(
            f"model.pretrained: {path!r} is a {config.model_type}; families known here: "
            f"{', '.join(sorted(FAMILIES))}; model.family takes another one's class"
        )
    if family is not None and family.model_type != config.model_type:
        raise ConfigError(
            f"model.family: {family.__name__} is for {family.model_type}, but {path!r} is a "
            f"{config.model_type}"
        )
    try:
        kind = family or FAMILIES[config.model_type]
        loaded = kind.from_pretrained(path, trust_remote_code)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"model.pretrained: {path!r} has no processor: {_reason(error)}"
        ) from error
    loaded.addressable = config.get_text_config().to_dict().get("max_position_embeddings")
    return loaded


def _reason(error: Exception) -> str:
    """What transformers said, with our name for the argument that it asks for."""
    theirs = "pass the argument `trust_remote_code=True`"
    return str(error).replace(theirs, "set model.trust_remote_code: true")
