"""Your own images: a folder with a JSONL file of questions about them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from visionthink_pl.data.bad_rows import BadRow, bad_row, encodable
from visionthink_pl.data.cells import answer_texts
from visionthink_pl.data.image_files import image_file
from visionthink_pl.data.misspelt import misspelling_of
from visionthink_pl.data.numerals import loads
from visionthink_pl.data.source import Look, Origin, Source, stamp
from visionthink_pl.data.texts import abbreviated, not_unicode
from visionthink_pl.images import ImageDecodeError, decode, look
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample

TEXTS = ("image", "question")
CONTENT = (*TEXTS, "answer")  # a row without one of these is a bad row
OPTIONAL = ("id", "kind")
KNOWN = (*CONTENT, *OPTIONAL)  # all other keys are extra columns


@dataclass(frozen=True)
class _FolderRow:
    """One line. Where it has other keys, ``other`` is its text: values would take more memory."""

    id: str
    image: str
    question: str
    answers: tuple[str, ...]
    kind: str
    other: str | None

    @property
    def extra(self) -> dict[str, Any]:
        record = {} if self.other is None else json.loads(self.other)
        return {key: value for key, value in record.items() if key not in KNOWN}


class ImageFolder(Source):
    """A folder of images and a JSONL file with one question a line.

    Each line is a JSON object with ``image`` (a path within the folder), ``question``, ``answer``
    (a text, a number, or a list of these, each of which is right) and optionally ``kind`` (what
    metrics are split by) and ``id``. Other keys become the sample's ``extra``, for rewards and
    tools, unless they look like a misspelling of a key that the line lacks. A row whose image can't
    be decoded, or whose image, question or answer is missing, null or blank, is a bad row. Any
    other error in a line stops the run at once.

    Args:
        folder: the folder that paths are relative to.
        questions: name of the JSONL file in that folder.

    Raises:
        ConfigError: there is no such file, it can't be read, a line is no such object, a key looks
            misspelt, a path leads out of the folder, an id occurs twice, or all lines have other
            keys only.
    """

    def __init__(self, folder: str, questions: str = "questions.jsonl") -> None:
        folder = os.path.expanduser(folder)
        self._root = Path(folder).resolve()
        file = self._file = self._root / questions
        self._where = f"ImageFolder.questions: {Path(folder, questions)}"
        if not file.is_file():
            raise ConfigError(f"ImageFolder.folder: there is no file {questions!r} in {folder!r}")
        try:
            lines = file.read_text(encoding="utf-8-sig").split("\n")
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"ImageFolder.questions: {questions!r} is not UTF-8: {error}"
            ) from error
        except OSError as error:
            raise ConfigError(f"{self._where}: can't be read: {error.strerror}") from error
        self._real_folders: dict[str, str] = {}
        self._rows = [
            self._read(line, f"{questions}:{number}", f"{self._where}:{number}")
            for number, line in enumerate(lines, 1)
            if line.strip()
        ]
        if not self._rows:
            raise ConfigError(
                f"ImageFolder.questions: {questions!r} in {folder!r} holds no question"
            )
        self._check_keys()
        if (repeated := _repeated([row.id for row in self._rows])) is not None:
            raise ConfigError(f"{self._where}: id {repeated!r} occurs twice")

    @property
    def kinds(self) -> tuple[str, ...]:
        kinds = dict.fromkeys(row.kind for row in self._rows)
        return tuple(kind for kind in kinds if not_unicode(kind) is None)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        row = self._rows[index]
        sample = self._sample(row, decode)
        return replace(sample, extra=row.extra) if isinstance(sample, VQASample) else sample

    def look(self, index: int) -> Look:
        row = self._rows[index]
        files = [stamp(self._root / row.image)] if row.image else []
        return Look.of(self._sample(row, look), files)

    @property
    def origin(self) -> Origin:
        options = {"source": "ImageFolder", "questions": str(self._file)}
        return Origin(options, (self._file,), self._root)

    def _sample(
        self, row: _FolderRow, open_image: Callable[[Path], Any]
    ) -> VQASample | UnreadableSample:
        if not row.image:
            return bad_row(row.id, "no image")
        try:
            image = open_image(image_file(row.image, self._root))
        except (BadRow, ImageDecodeError) as error:
            return bad_row(row.id, str(error))
        first, *others = row.answers
        sample = VQASample(
            row.id, row.question, first, (image,), row.kind, other_answers=tuple(others)
        )
        return encodable(sample)

    def _read(self, line: str, name: str, where: str) -> _FolderRow:
        try:
            record = loads(line)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{where}: not JSON: {error}") from error
        values = _check_record(record, where)
        self._check_inside(values["image"], where)
        return _FolderRow(
            id=values.get("id", name),
            image=values["image"],
            question=values["question"],
            answers=values["answer"],
            kind=values.get("kind", self._root.name),
            other=line if record.keys() - set(KNOWN) else None,
        )

    def _check_keys(self) -> None:
        """Refuse a file in which the image or the question goes by another name throughout.

        Raises:
            ConfigError: every line lacks one of them, and there are unknown keys.
        """
        found = {
            "image": any(row.image for row in self._rows),
            "question": any(row.question for row in self._rows),
        }
        lacking = [key for key, anywhere in found.items() if not anywhere]
        others = dict.fromkeys(key for row in self._rows for key in row.extra) if lacking else {}
        if others:
            raise ConfigError(
                f"{self._where}: {lacking[0]!r} is missing or empty in every line; known are "
                f"{', '.join(KNOWN)}, and the other keys are {', '.join(map(repr, others))}"
            )

    def _check_inside(self, name: str, where: str) -> None:
        try:
            path = self._real(name)
        except (OSError, ValueError):  # not a path: a bad row
            return
        if path != str(self._root) and not path.startswith(os.path.join(self._root, "")):
            raise ConfigError(f"{where}: the image {abbreviated(name)} lies outside the folder")

    def _real(self, name: str) -> str:
        """The real path of an image. Links are resolved once for each folder, since a folder may
        hold 100,000 images."""
        folder, file = os.path.split(os.path.join(self._root, name))
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        path = os.path.join(self._real_folders[folder], file)
        plain = file not in ("", os.curdir, os.pardir) and not os.path.islink(path)
        return path if plain else os.path.realpath(path)


def _check_record(record: Any, where: str) -> dict[str, Any]:
    """The record with its answers as texts, and with empty texts for missing content."""
    if not isinstance(record, dict):
        raise ConfigError(f"{where}: an object with {', '.join(CONTENT)} is expected")
    lacking = tuple(key for key in KNOWN if key not in record)
    for key, value in record.items():
        if key not in KNOWN and (meant := misspelling_of(key, lacking)):
            raise ConfigError(
                f"{where}: unknown key {key!r}; known are {', '.join(KNOWN)}; did you mean "
                f"{meant!r}?"
            )
        if key in TEXTS and value is not None and not isinstance(value, str):
            raise ConfigError(f"{where}: {key!r} must be a text, not {abbreviated(value)}")
        if key in OPTIONAL and (not isinstance(value, str) or not value.strip()):
            raise ConfigError(
                f"{where}: {key!r} must be a text that is not empty, not {abbreviated(value)}"
            )
    texts = {key: record.get(key) or "" for key in TEXTS}
    try:
        answers = answer_texts(record.get("answer"))
    except BadRow as error:
        raise ConfigError(f"{where}: {error}; a text, a number or a list of these") from error
    texts = {key: text if text.strip() else "" for key, text in texts.items()}
    return record | texts | {"answer": answers}


def _repeated(names: list[str]) -> str | None:
    """The first name that occurs twice, if any."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
