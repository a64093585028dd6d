"""What the cells of a row hold, as values, texts and answers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from datasets import ClassLabel

from visionthink_pl.data.bad_rows import BadRow

IMAGE_SLOT = "<image>"  # where an image stands in a question


def value_of(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column, or of a field within one; ``None`` where there is none."""
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def number_slots(question: str, images: int) -> str:
    """The question without its ``<image>``, since the image comes first; of several images each
    ``<image>`` becomes ``<image 1>`` and so on, so that the text still says which it means.

    Raises:
        BadRow: there are some, but not as many as images.
    """
    slots = question.count(IMAGE_SLOT)
    if slots not in (0, images):
        raise BadRow(f"marks and images differ in number: {slots} {IMAGE_SLOT}, {images} images")
    for number in range(1, slots + 1):
        mark = f"<image {number}>" if images > 1 else ""
        question = question.replace(IMAGE_SLOT, mark, 1)
    return question.strip()


def answer_texts(value: Any) -> tuple[str, ...]:
    """The ground truths that a cell holds, at least one: each once, first that which is given most
    often, of equals the first. What is blank or null is an empty one.

    Raises:
        BadRow: it is neither a text nor a number, nor a list of these.
    """
    texts = [answer_text(one) for one in (value if isinstance(value, list) else [value])]
    given = Counter(text if text.strip() else "" for text in texts)
    return tuple(text for text, _ in given.most_common()) or ("",)


def answer_text(value: Any) -> str:
    """One answer as text, empty where there is none.

    Raises:
        BadRow: it is neither a text nor a number.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return str(whole(value))
    return text_of(value, "answer")


def whole(value: Any) -> Any:
    """A float without a fraction as an int: a null makes floats of a whole column of ints."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def label_name(feature: Any, value: Any) -> Any:
    """The name of a value of a ``ClassLabel``, ``None`` where it is unlabelled; other features'
    values as they are."""
    if not isinstance(feature, ClassLabel) or value is None:
        return value
    return None if value < 0 else feature.int2str(value)


def text_of(value: Any, role: str) -> str:
    """A text, empty where there is none.

    Raises:
        BadRow: it is something else; ``role`` says what it was to be.
    """
    if value is not None and not isinstance(value, str):
        raise BadRow(f"{role} is no text: {value!r}")
    return value or ""


def values_of(row: Mapping[str, Any], columns: str | list[str] | None) -> list[Any]:
    """The values of one column that may hold a list, or of several; a single empty one is none."""
    if isinstance(columns, str):
        value = value_of(row, columns)
        return value if isinstance(value, list) else [] if empty(value) else [value]
    return [value_of(row, column) for column in columns or []]


def empty(value: Any) -> bool:
    """Whether a cell holds nothing: null or blank text."""
    return value is None or (isinstance(value, str) and not value.strip())


def without_end(values: list[Any]) -> list[Any]:
    """The values up to the last that is not empty: a gap keeps its place, and so its letter."""
    return values[: max((i for i, value in enumerate(values, 1) if not empty(value)), default=0)]
