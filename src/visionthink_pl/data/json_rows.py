"""Rows of JSON, decoded here: where ``datasets`` guesses what a column holds, or finds that it is
mixed, the text "1" and the number 1 end up alike."""

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

BLANK = "\ufeff \t\r\n"  # a mark that editors on Windows put first, and what JSON calls white space
BETWEEN = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")  # elements of a list
LINE = "line"
TEXTS = Features({LINE: Value("string")})


def load_json(files: Any, source: str, split: str, streaming: bool) -> Any:
    """A table of one column, which holds each row's JSON as it is written.

    Args:
        files: one, a pattern, or several by split; with an object a line, or as a list of objects.
        source: class that they are read for.
        split: or a part of one, such as ``train[:1000]``, counted in lines.
        streaming: whether the table is read as it comes.

    Raises:
        ConfigError: a part of a list is asked for.
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
        BadRow: it is no JSON object.
    """
    try:
        row = loads(text.strip(BLANK))
    except (ValueError, RecursionError) as error:
        raise BadRow(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise BadRow(f"no JSON object: {text[:40]!r}")
    return row


def fields_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns of rows: the fields of those that hold objects, a ``Value`` for others, ``None``
    for those that hold nothing."""
    found: dict[str, Any] = {}
    for row in rows:
        _add_fields(found, row)
    return found


class JsonRows:
    """Rows of JSON on the disk.

    Args:
        lines: a row each, as ``load_json`` gives them.
        option: where the file was set.

    Attributes:
        features: as of ``fields_of``.

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
        """A row, all of it, whatever ``columns`` says: it is decoded as a whole, and holds no
        bytes that could be read ``lazily``."""
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
            found[name] = Value("string")  # whatever it is, it has no fields


def _holds_something(text: str) -> bool:
    return bool(text.strip(BLANK))


def _elements(documents: list[str]) -> dict[str, list[str]]:
    """The elements of lists, each as JSON."""
    return {LINE: list(chain.from_iterable(map(_as_texts, documents)))}


def _as_texts(document: str) -> Iterator[str]:
    """The elements of a list, each as it is written."""
    document = document.strip(BLANK)
    json.loads(document)  # below it must be a list without a mistake
    decoder, place = json.JSONDecoder(), _behind_comma(document, 1)
    while document[place] != "]":
        _, end = decoder.raw_decode(document, place)
        yield document[place:end]
        place = _behind_comma(document, end)


def _behind_comma(document: str, place: int) -> int:
    between = BETWEEN.match(document, place)
    assert between is not None  # it matches nothing, too
    return between.end()
