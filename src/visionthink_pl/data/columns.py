"""Which columns of a table hold what, and the samples that its rows become."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.choices import right_option, with_options
from visionthink_pl.images import ImageDecodeError, decode
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

IMAGE_SLOT = "<image>"  # where an image stands in a question


@dataclass(frozen=True)
class Columns:
    """Which column holds what. ``info.use_tool`` is the field ``use_tool`` of the struct ``info``.

    Args:
        question: text.
        images: an image or a list of images, each as bytes, a struct of bytes and path, or a path;
            or several such columns, some of which a row may leave empty.
        answer: text, a number, or a list of which the one given most often counts (of equals the
            first); null where there is none, which only ``predict`` can do without.
        choices: a list of options, or one column an option, some of which may be empty. A row
            without options is an open question.
        id: what names the row in reports; by default ``row`` and its number from 0.
        kind: what metrics are split by.
        needs_second_look: true or false, for metrics only.
    """

    question: str = "question"
    images: str | list[str] = "image"
    answer: str | None = "answer"
    choices: str | list[str] | None = None
    id: str | None = None
    kind: str | None = None
    needs_second_look: str | None = None

    def check(self, names: Sequence[str], option: str) -> None:
        """Refuse columns that the table lacks.

        Raises:
            ConfigError: it has none of that name; ``option`` says where that was set.
        """
        for role, value in vars(self).items():
            for column in _listed(value):
                if column not in names and column.split(".")[0] not in names:
                    raise ConfigError(
                        f"{option}: {role}: there is no column {column!r}; the columns are "
                        f"{', '.join(names)}"
                    )


class RowReader:
    """Makes samples of rows.

    Args:
        columns: which column holds what.
        kind: of rows, where no column holds it.
        image_folder: what relative paths of images are relative to.
    """

    def __init__(self, columns: Columns, kind: str, image_folder: str) -> None:
        self._columns, self._kind, self._folder = columns, kind, Path(image_folder)

    def read(self, name: str, row: Mapping[str, Any]) -> VQASample | UnreadableSample:
        """The sample that a row holds, or why it holds none.

        Args:
            name: the sample's id.
            row: values by column, images not decoded.
        """
        try:
            return self._sample(name, row)
        except (BadRow, ImageDecodeError) as error:
            return UnreadableSample(name, str(error))

    def _sample(self, name: str, row: Mapping[str, Any]) -> VQASample:
        columns = self._columns
        images = self._images(row)
        question = number_slots(_text(value_of(row, columns.question), "question"), len(images))
        answer = None if columns.answer is None else value_of(row, columns.answer)
        options = [_text(value, "option") for value in _values(row, columns.choices)]
        if options:
            question, answer = with_options(question, options), right_option(options, answer)
        needed = columns.needs_second_look
        return VQASample(
            id=name,
            question=question,
            answer=answer_text(answer),
            images=images,
            kind=self._kind_of(row),
            needs_second_look=None if needed is None else value_of(row, needed),
        )

    def _kind_of(self, row: Mapping[str, Any]) -> str:
        if self._columns.kind is None:
            return self._kind
        kind = value_of(row, self._columns.kind)
        if kind is None:
            raise BadRow("no kind")
        return str(kind)

    def _images(self, row: Mapping[str, Any]) -> tuple[Image.Image, ...]:
        values = _values(row, self._columns.images)
        if not values:
            raise BadRow("no image")
        return tuple(decode(self._file(value)) for value in values)

    def _file(self, value: object) -> bytes | Path | Image.Image:
        """What can be decoded: the bytes, or where they are."""
        if isinstance(value, Mapping):
            value = value.get("path") if value.get("bytes") is None else value["bytes"]
        if isinstance(value, str) and value:
            return self._folder / value
        if isinstance(value, bytes | Image.Image):
            return value
        raise BadRow("no image")


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


def answer_text(value: Any) -> str:
    """An answer as text, empty where there is none.

    Raises:
        BadRow: it is neither a text nor a number, nor a list of these.
    """
    if isinstance(value, list):
        given = Counter(text for one in value if (text := answer_text(one)).strip())
        return given.most_common(1)[0][0] if given else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return _text(value, "answer")


def _text(value: Any, role: str) -> str:
    if value is not None and not isinstance(value, str):
        raise BadRow(f"{role} is no text: {value!r}")
    return value or ""


def _values(row: Mapping[str, Any], columns: str | list[str] | None) -> list[Any]:
    """The values of one column that may hold a list, or of several, without those left empty."""
    if isinstance(columns, str):
        value = value_of(row, columns)
        return value if isinstance(value, list) else [] if value is None else [value]
    values: Iterable[Any] = (value_of(row, column) for column in columns or [])
    return [value for value in values if value is not None]


def _listed(value: str | list[str] | None) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [value]
