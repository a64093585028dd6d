"""A row's other columns: which of them a sample carries, and their values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from datasets import (
    Array2D,
    Array3D,
    Array4D,
    Array5D,
    ClassLabel,
    Json,
    LargeList,
    List,
    Value,
)

PLAIN = (ClassLabel, Json, Array2D, Array3D, Array4D, Array5D)


def is_plain(feature: Any) -> bool:
    """Whether values of a column are plain: no bytes, images, audio or video, at any depth.

    Args:
        feature: of ``datasets``; ``None`` if not known.
    """
    if isinstance(feature, List | LargeList):
        return is_plain(feature.feature)
    if isinstance(feature, Mapping):
        return all(map(is_plain, feature.values()))
    if isinstance(feature, Value):
        return "binary" not in feature.dtype
    return feature is None or isinstance(feature, PLAIN)


def without_decimals(value: Any) -> Any:
    """The value with floats instead of decimals, at any depth. (A number in JSON is read as a
    decimal if no float has its digits. Answers need this, but rewards could not rely on a type
    that depends on the digits.)"""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: without_decimals(inner) for key, inner in value.items()}
    return [without_decimals(inner) for inner in value] if isinstance(value, list) else value
