"""Boxes of a row that say where its answer is to be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.texts import abbreviated
from visionthink_pl.images import Size
from visionthink_pl.types import Box, Region

SIDES = 4


def regions_of(value: Any, sizes: Sequence[Size]) -> tuple[Region, ...]:
    """The regions of a cell: one box or a list of them, each ``[left, top, right, bottom]`` in
    pixels of the first image, upright; none where the cell is null or empty.

    Args:
        value: as it is stored.
        sizes: of the row's images.

    Raises:
        BadRow: a box is not four numbers in order, or lies outside of the image.
    """
    if value is None or value == []:
        return ()
    boxes = value if isinstance(value, list) and isinstance(value[0], list) else [value]
    return tuple(Region(0, _box(box, sizes[0])) for box in boxes)


def _box(value: Any, size: Size) -> Box:
    numbers = value if isinstance(value, list) else []
    if len(numbers) != SIDES or not all(_is_finite(number) for number in numbers):
        raise BadRow(
            f"evidence is no box: {abbreviated(value)}; [left, top, right, bottom] is expected"
        )
    left, top, right, bottom = map(float, numbers)
    if not (0 <= left < right <= size.width and 0 <= top < bottom <= size.height):
        raise BadRow(
            f"evidence lies outside the image: {abbreviated(value)}, in {size.width} x "
            f"{size.height} pixels"
        )
    return Box(math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))


def _is_finite(number: Any) -> bool:
    try:
        return not isinstance(number, bool | str) and math.isfinite(number)
    except (TypeError, OverflowError):
        return False
