"""Cells of a row, read as values, texts and answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.numerals import is_number, numeral
from visionthink_pl.data.texts import abbreviated

IMAGE_SLOT = "<image>"  # where an image stands in a question


def value_of(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column, or of a field within one; ``None`` if there is none."""
    if column in row:
        return row[column]
    value: Any = row
    for field in column.split("."):
        value = value.get(field) if isinstance(value, Mapping) else None
    return value


def number_slots(question: str, images: int) -> str:
    """The question without its ``<image>``, since the image comes first. With several images the
    marks become ``<image 1>`` and so on, so that the text still refers to the right image.

    Raises:
        BadRow: there are marks, but not as many as images.
    """
    slots = question.count(IMAGE_SLOT)
    if slots not in (0, images):
        raise BadRow(f"marks and images differ in number: {slots} {IMAGE_SLOT}, {images} images")
    for number in range(1, slots + 1):
        mark = f"<image {number}>" if images > 1 else ""
        question = question.replace(IMAGE_SLOT, mark, 1)
    return question.strip()


def answer_texts(value: Any) -> tuple[str, ...]:
    """The ground truths in a cell, at least one, each once: the most frequent first, and equally
    frequent ones in their order. A blank or null value becomes an empty text.

    Raises:
        BadRow: the cell holds neither a text nor a finite number, nor a list of these.
    """
    texts = [answer_text(one) for one in (value if isinstance(value, list) else [value])]
    given = Counter(text if text.strip() else "" for text in texts)
    return tuple(text for text, _ in given.most_common()) or ("",)


def answer_text(value: Any) -> str:
    """One answer as text, empty if there is none.

    Raises:
        BadRow: the value is neither a text nor a finite number.
    """
    if is_number(value):
        return numeral(value)
    return text_of(value, "answer")


def kind_of(value: Any) -> str:
    """A kind as text.

    Raises:
        BadRow: there is no kind, or it is neither a text, a number nor a truth value.
    """
    if empty(value):
        raise BadRow("no kind")
    if not isinstance(value, str | bool) and not is_number(value):
        raise BadRow(f"kind is no text: {abbreviated(value)}")
    return str(value)


def text_of(value: Any, role: str) -> str:
    """The value if it is a text, or an empty text for null.

    Raises:
        BadRow: it is something else; the error names its ``role``.
    """
    if value is not None and not isinstance(value, str):
        raise BadRow(f"{role} is no text: {abbreviated(value)}")
    return value or ""


def values_of(row: Mapping[str, Any], columns: str | list[str] | None) -> list[Any]:
    """The values of one column, which may hold a list, or of several columns. A single column
    without a value gives none."""
    if isinstance(columns, str):
        value = value_of(row, columns)
        return value if isinstance(value, list) else [] if empty(value) else [value]
    return [value_of(row, column) for column in columns or []]


def empty(value: Any) -> bool:
    """Whether a cell is empty: null or blank text."""
    return value is None or (isinstance(value, str) and not value.strip())


def without_end(values: list[Any]) -> list[Any]:
    """The values without empty ones at the end. Empty values between others stay, so that letters
    do not shift."""
    return values[: max((i for i, value in enumerate(values, 1) if not empty(value)), default=0)]
