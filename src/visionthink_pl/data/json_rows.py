"""Rows of JSON. They are decoded here, since ``datasets`` guesses the types of columns and then
does not distinguish the text "1" from the number 1."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Value, load_dataset

from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.numerals import loads
from visionthink_pl.types import ConfigError

BLANK = "\ufeff \t\r\n"  # the byte order mark, and the white space of JSON
BETWEEN = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")  # elements of a list
LINE = "line"
TEXTS = Features({LINE: Value("string")})


def load_json(files: Any, source: str, split: str, streaming: bool) -> Any:
    """A table of one column, which holds the JSON text of each row.

    Args:
        files: one file, a pattern, or files by split; with one object per line, or one list of
            objects per file.
        source: class that reads the table, for errors.
        split: or a range of lines of it, such as ``train[:1000]``.
        streaming: whether to stream the table.

    Raises:
        ConfigError: the split is a range, but the file is one list.
    """

    def load(unit: str) -> Any:
        named = {"data_files": files, "split": split, "streaming": streaming, "features": TEXTS}
        return load_dataset("text", sample_by=unit, **named)

    lines = load("line")
    first = next((text for row in lines if (text := row[LINE].strip(BLANK))), "")
    if not first.startswith("["):
        return lines.filter(_holds_something, input_columns=LINE)
    if "[" in split:
        raise ConfigError(
            f"{source}.split: a part ({split!r}) can't be taken of a file that is one list; write "
            "an object a line"
        )
    return load("document").map(
        _elements, input_columns=LINE, batched=True, batch_size=1, features=TEXTS
    )


def row_of(text: str) -> dict[str, Any]:
    """The row that a line holds.

    Raises:
        BadRow: the line is no JSON object.
    """
    try:
        row = loads(text.strip(BLANK))
    except (ValueError, RecursionError) as error:
        raise BadRow(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise BadRow(f"no JSON object: {text[:40]!r}")
    return row


def fields_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns of rows: a dict of fields for a column of objects, a ``Value`` for any other, and
    ``None`` for a column that holds only nulls."""
    found: dict[str, Any] = {}
    for row in rows:
        _add_fields(found, row)
    return found


class JsonRows:
    """Rows of JSON on the disk.

    Args:
        lines: one row each, as ``load_json`` returns them.
        option: where the file was set, for errors.

    Attributes:
        features: see ``fields_of``.

    Raises:
        ConfigError: a row is no JSON object.
    """

    def __init__(self, lines: Dataset, option: str) -> None:
        self._lines = lines
        self.features: dict[str, Any] = {}
        for number, line in enumerate(self._texts()):
            try:
                _add_fields(self.features, row_of(line))
            except BadRow as error:
                raise ConfigError(f"{option}: row {number}, counted from 0: {error}") from error

    def __len__(self) -> int:
        return len(self._lines)

    def read(self, index: int, columns: list[str], lazily: bool = False) -> dict[str, Any]:
        """A whole row: JSON can't be decoded in part, so ``columns`` and ``lazily`` have no
        effect."""
        return row_of(self._lines[index][LINE])

    @property
    def files(self) -> tuple[Path, ...]:
        """See ``ArrowRows.files``."""
        return tuple(Path(file["filename"]) for file in self._lines.cache_files)

    def column(self, name: str) -> list[Any]:
        """All values of a column."""
        return [row_of(line).get(name) for line in self._texts()]

    def _texts(self) -> Iterator[str]:
        for some in self._lines.iter(batch_size=1000):
            yield from some[LINE]


def _add_fields(found: dict[str, Any], row: Mapping[str, Any]) -> None:
    for name, value in row.items():
        known = found.setdefault(name, None)
        if isinstance(value, Mapping):
            found[name] = known if isinstance(known, dict) else {}
            _add_fields(found[name], value)
        elif known is None and value is not None:
            found[name] = Value("string")  # the type does not matter: it has no fields


def _holds_something(text: str) -> bool:
    return bool(text.strip(BLANK))


def _elements(documents: list[str]) -> dict[str, list[str]]:
    """The elements of lists, each as a JSON text."""
    return {LINE: list(chain.from_iterable(map(_as_texts, documents)))}


def _as_texts(document: str) -> Iterator[str]:
    """The elements of a list, each as it is written."""
    document = document.strip(BLANK)
    json.loads(document)  # raises an error if the list is not valid
    decoder, start = json.JSONDecoder(), _after_comma(document, 1)
    while document[start] != "]":
        _, end = decoder.raw_decode(document, start)
        yield document[start:end]
        start = _after_comma(document, end)


def _after_comma(document: str, start: int) -> int:
    between = BETWEEN.match(document, start)
    assert between is not None  # the pattern matches an empty text too
    return between.end()
