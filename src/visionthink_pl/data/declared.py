"""Values converted to the declared type of their column."""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import ClassLabel, LargeList, List, Value

from visionthink_pl.data.bad_rows import BadRow


def declared(feature: Any, value: Any) -> Any:
    """The value, converted to the declared type of its column; of a list, each value.

    Args:
        feature: of ``datasets``; ``None`` if not known.
        value: as it is stored.

    Returns:
        The name of a class label, or ``None`` if it is unlabelled. A float of fewer than 64 bits
        in its own type, in which it has fewer digits. Other values unchanged.

    Raises:
        BadRow: a class label has no name.
    """
    if value is None:
        return None
    if isinstance(feature, List | LargeList):
        return [declared(feature.feature, one) for one in value]
    if isinstance(feature, ClassLabel):
        return _label(feature, value)
    if isinstance(feature, Value) and feature.dtype in ("float16", "float32"):
        return np.dtype(feature.dtype).type(value)
    return value


def _label(feature: ClassLabel, value: int) -> str | None:
    if value < 0:
        return None
    if value >= len(feature.names):
        raise BadRow(f"class label without a name: {value}; there are {len(feature.names)}")
    return str(feature.names[value])
