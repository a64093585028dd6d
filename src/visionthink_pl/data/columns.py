"""The mapping from a table's columns to samples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from datasets import Json, LargeList, List, Value
from PIL import Image

from visionthink_pl.data.bad_rows import BadRow, bad_row, encodable
from visionthink_pl.data.cells import (
    answer_texts,
    empty,
    kind_of,
    number_slots,
    text_of,
    value_of,
    values_of,
    without_end,
)
from visionthink_pl.data.choices import right_option, with_options, written_list
from visionthink_pl.data.declared import declared
from visionthink_pl.data.image_files import URL, image_file, text_for_bytes
from visionthink_pl.data.misspelt import misspelling_of
from visionthink_pl.data.other_columns import is_plain, without_decimals
from visionthink_pl.data.regions import regions_of
from visionthink_pl.data.texts import abbreviated
from visionthink_pl.data.wording import Wording
from visionthink_pl.images import ImageDecodeError, ImageSource, Size, decode
from visionthink_pl.types import ConfigError, Region, UnreadableSample, VQASample


@dataclass(frozen=True)
class Columns:
    """Which column holds what. ``info.use_tool`` is the field ``use_tool`` of the struct ``info``.

    Columns that are not named here are passed to rewards and tools as the sample's ``extra``,
    except for those that hold bytes, images, audio or video.

    Args:
        question: text; null if the images hold the question, and ``wording.template`` all the text.
        images: an image or a list of images, each as bytes, a struct of bytes and path, or a path;
            or several such columns, some of which a row may leave empty.
        answer: text, a number, or a list of these, each of which is right; null if the table has
            no answers, which only ``predict`` allows.
        choices: a list of options, also one that is written as text (``['red', 'blue']``), or one
            column for each option, of which the last ones may be empty, null or blank. A row
            without options is an open question.
        hint: text that stands before the question, where a row has any.
        id: name of the row in reports; by default ``row`` and its number from 0.
        kind: what metrics are split by.
        needs_second_look: true or false, for metrics only.
        evidence: boxes around what answers the question, ``[left, top, right, bottom]`` in pixels
            of the first image, one or a list of them; for metrics only.
        keep: columns that are passed on as ``extra`` although they are named here.
    """

    question: str | None = "question"
    images: str | list[str] = "image"
    answer: str | None = "answer"
    choices: str | list[str] | None = None
    hint: str | None = None
    id: str | None = None
    kind: str | None = None
    needs_second_look: str | None = None
    evidence: str | None = None
    keep: list[str] | None = None

    @property
    def names(self) -> list[str]:
        """All columns and fields that are named."""
        return [name for value in vars(self).values() for name in _listed(value)]

    def check(self, features: Mapping[str, Any], option: str) -> None:
        """Check that the table has all named columns and fields.

        Args:
            features: of ``datasets``, by column; ``None`` for a column of unknown type.
            option: where the columns were set, for errors.

        Raises:
            ConfigError: a column or field is missing, or its type is ``Json`` of ``datasets``.
        """
        for role, value in vars(self).items():
            for column in _listed(value):
                if problem := _missing(features, column, set(self.names)):
                    raise ConfigError(f"{option}: {role}: {problem}")
        self.refuse_json(features, option)

    def refuse_json(self, features: Mapping[str, Any], option: str) -> None:
        """Refuse columns that do not distinguish texts from numbers, where this matters.

        Args:
            features: see ``check``.
            option: see ``check``.

        Raises:
            ConfigError: the type of such a column is ``Json`` of ``datasets``.
        """
        for role in ("question", "answer", "choices", "hint", "id", "kind"):
            for column in _listed(getattr(self, role)):
                feature = value_of(features, column)
                while isinstance(feature, List | LargeList):
                    feature = feature.feature
                if isinstance(feature, Json):
                    raise ConfigError(
                        f"{option}: {role}: the column {column!r} is stored as Json, which keeps "
                        'the text "1" and the number 1 alike; store it as text, or as numbers, or '
                        "name JSONL files instead"
                    )


class RowReader:
    """Turns rows into samples. Columns that are not mapped become their ``extra``, and so do whole
    structs of which a field is mapped.

    Args:
        columns: which column holds what.
        kind: of all rows, if no column holds it.
        image_folder: folder that relative paths of images are relative to.
        features: of ``datasets``, by column, if known; kinds and answers are read according to
            their types.
        wording: how rows are worded.

    Attributes:
        needed: columns that a sample is made of, without those of its ``extra``.
        used: needed columns and those of ``extra``; others need not be read.

    Raises:
        ConfigError: ``image_folder`` is a URL, or ``wording`` does not fit the columns.
    """

    def __init__(
        self,
        columns: Columns,
        kind: str,
        image_folder: str,
        features: Mapping[str, Any],
        wording: Wording = Wording(),  # noqa: B008 (frozen)
    ) -> None:
        wording.check(columns.question, "wording")
        if URL.match(image_folder):
            raise ConfigError(
                f"image_folder: a folder on this machine, not {image_folder!r}: no image is fetched"
            )
        self._columns, self._kind, self._wording = columns, kind, wording
        self._folder = Path(os.path.expanduser(image_folder)).absolute()
        self._features = features
        named = set(columns.names)
        self._not_extra = named - set(columns.keep or ())
        self._not_extra |= {name for name, kind in features.items() if not is_plain(kind)}
        parents = {name.partition(".")[0] for name in named if name not in features}
        self.needed = [name for name in features if name in named | parents]
        self.used = [n for n in features if n in self.needed or n not in self._not_extra]

    def read(
        self, name: str, row: Mapping[str, Any], open_image: Callable[[ImageSource], Any] = decode
    ) -> VQASample | UnreadableSample:
        """The sample of a row, or a bad row.

        Args:
            name: the sample's id.
            row: values by column, with undecoded images.
            open_image: makes an image of what is stored.
        """
        if self._wording.null is not None:
            row = {n: None if value == self._wording.null else value for n, value in row.items()}
        try:
            return encodable(self._sample(name, row, open_image))
        except (BadRow, ImageDecodeError) as error:
            return bad_row(name, str(error))

    def _sample(
        self, name: str, row: Mapping[str, Any], open_image: Callable[[ImageSource], Any]
    ) -> VQASample:
        columns = self._columns
        images = tuple(map(open_image, self._images(row)))
        question = self._question(row, len(images))
        answer = None if columns.answer is None else self._declared(row, columns.answer)
        cells = without_end(written_list(values_of(row, columns.choices)))
        options = [text_of(value, "option") for value in cells]
        if options:
            question = with_options(question, options)
            answer = right_option(options, answer, self._wording.letters)
        first, *others = answer_texts(answer)
        needed = columns.needs_second_look
        return VQASample(
            id=name,
            question=self._wording.asked(question, bool(options)),
            answer=first,
            other_answers=tuple(others),
            options=tuple(options),
            images=images,
            kind=self._kind_of(row),
            needs_second_look=None if needed is None else value_of(row, needed),
            evidence=self._evidence(row, images),
            extra=self._extra(row),
        )

    def _evidence(self, row: Mapping[str, Any], images: Sequence[Size]) -> tuple[Region, ...]:
        column = self._columns.evidence
        return () if column is None else regions_of(value_of(row, column), images)

    def _question(self, row: Mapping[str, Any], images: int) -> str:
        """The question, behind its hint if it has one; empty without a column of questions."""
        columns = self._columns
        if columns.question is None:
            return ""
        asked = text_of(value_of(row, columns.question), "question")
        question = number_slots(asked.replace(self._wording.remove, ""), images)
        if not question:
            raise BadRow("empty question")
        hint = None if columns.hint is None else text_of(value_of(row, columns.hint), "hint")
        return f"{hint}\n{question}" if hint and hint.strip() else question

    def _extra(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: without_decimals(value)
            for name, value in row.items()
            if name not in self._not_extra
        }

    def _kind_of(self, row: Mapping[str, Any]) -> str:
        if self._columns.kind is None:
            return self._kind
        return kind_of(self._declared(row, self._columns.kind))

    def _declared(self, row: Mapping[str, Any], column: str) -> Any:
        return declared(value_of(self._features, column), value_of(row, column))

    def _images(self, row: Mapping[str, Any]) -> Iterator[ImageSource]:
        values = values_of(row, self._columns.images)
        if isinstance(self._columns.images, list):
            values = [value for value in values if not empty(value)]
        if not values:
            raise BadRow("no image")
        return map(self._file, values)

    def _file(self, value: object) -> ImageSource:
        """What an image is decoded from: bytes, or the path of a file."""
        if isinstance(value, Mapping):
            value = _stored(value)
        if empty(value):
            raise BadRow("no image")
        if isinstance(value, str):
            return image_file(value, self._folder, " (looked up in image_folder)")
        if isinstance(value, bytes | BufferedReader | Image.Image):
            return value
        raise BadRow(f"no image: {abbreviated(value)} is neither bytes nor a path")


def _stored(image: Mapping[str, Any]) -> Any:
    """The stored image: its bytes, or its path if there are none."""
    if image and not image.keys() & {"bytes", "path"}:
        fields = ", ".join(map(str, image))
        raise BadRow(f"no image: a struct of {fields}; of bytes and path is expected")
    data = image.get("bytes")
    if isinstance(data, str):
        raise text_for_bytes(data)
    return image.get("path") if data is None else data


def _missing(features: Mapping[str, Any], column: str, named: Set[str]) -> str | None:
    """What is wrong if the table has no such column or field. Those that are ``named`` already are
    not suggested."""
    top, *fields = column.split(".")
    if column in features:
        return None
    if top not in features:
        near = misspelling_of(top, tuple(name for name in features if name not in named))
        hint = f"; did you mean {near!r}?" if near else ""
        return f"there is no column {column!r}; the columns are {', '.join(features)}{hint}"
    feature = features[top]
    for field in fields:
        if isinstance(feature, Value) and feature.dtype != "null":
            return f"there is no field {field!r} in {column!r}: {top!r} is no struct"
        if not isinstance(feature, Mapping):
            return None  # its fields are not known
        if field not in feature:
            return f"there is no field {field!r} in {column!r}; the fields are {', '.join(feature)}"
        top, feature = field, feature[field]
    return None


def _listed(value: str | list[str] | None) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [value]
