"""Families whose images cost the same at any size: halving one saves nothing."""

from __future__ import annotations

from visionthink_pl.families.base import Family
from visionthink_pl.images import Size
from visionthink_pl.types import ConfigError

SIDES = (32, 256, 2048)  # of squares, in pixels


def refuse_fixed_cost(family: Family, problem: str, remedy: str = "") -> None:
    """Refuse a family that gives images of one shape and any size the same visual tokens.

    Args:
        family: of the model.
        problem: what can't work with it, the key of the config first.
        remedy: a way out beside another model.

    Raises:
        ConfigError: it does.
    """
    counts = {family.visual_tokens(Size(side, side)) for side in SIDES}
    if len(counts) == 1:
        raise ConfigError(
            f"{problem}: {type(family).__name__} gives an image {counts.pop()} visual tokens "
            "whatever its size, so that half the size saves none; take a model whose visual tokens "
            f"grow with the image, such as Qwen2.5-VL{remedy}"
        )
