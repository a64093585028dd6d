"""Streamed tables, shuffled block by block."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

from datasets import IterableDataset
from datasets.exceptions import DatasetsError

from visionthink_pl.data.bad_rows import BadRow
from visionthink_pl.data.cells import value_of
from visionthink_pl.data.columns import Columns, RowReader
from visionthink_pl.data.json_rows import LINE, fields_of, row_of
from visionthink_pl.data.loading import cause_of, load_table
from visionthink_pl.data.source import Position, Row, Stream
from visionthink_pl.data.wording import Wording
from visionthink_pl.types import ConfigError, RunStopped, UnreadableSample, VQASample
from visionthink_pl.types.limits import PositiveInt, limited

FIRST_ROWS = 1000  # of JSON, whose keys are the columns


class VQAStream(Stream):
    """``VQADataset``, streamed: one block of rows is kept in memory, of each the columns that make
    its sample and the sample's ``extra``.

    A block is read, shuffled and used up before the next one is read. (The shuffle buffer of
    ``datasets`` is lost when a run is resumed; a block is read again.)

    Args:
        path: see ``VQADataset``.
        kinds: every kind that a row may have; a row of another kind is a bad row. Without
            ``columns.kind``, the one kind of all rows.
        columns: which column holds what.
        split: of a data set on the hub.
        config: of a data set on the hub that has several.
        revision: of a data set on the hub.
        image_folder: folder that relative paths of images are relative to.
        block: number of rows that are shuffled together; their images are in memory as they are
            stored.
        wording: how rows are worded, and what is asked.

    Raises:
        ConfigError: the table can't be loaded, lacks a column or has no row, or no kind is given.
    """

    @limited()
    def __init__(
        self,
        path: str,
        kinds: list[str],
        columns: Columns = Columns(),  # noqa: B008 (frozen)
        split: str = "train",
        config: str | None = None,
        revision: str | None = None,
        image_folder: str = ".",
        block: PositiveInt = 1000,
        wording: Wording = Wording(),  # noqa: B008 (frozen)
    ) -> None:
        if not kinds or (columns.kind is None and len(kinds) > 1):
            raise ConfigError(
                "VQAStream.kinds: every kind that columns.kind holds, or one kind without "
                f"columns.kind, not {kinds}"
            )
        self._path = path
        table = load_table(path, split, config, revision, streaming=True, source="VQAStream")
        self._is_json, rows = table.is_json, table.rows
        self._rows: IterableDataset = rows.decode(False) if rows.features else rows
        self._start = self._rows.state_dict()
        features = self._features()
        if features is None:
            raise ConfigError(f"VQAStream.path: {path!r} holds no row")
        columns.check(features, "VQAStream.columns")
        self._kinds, self._columns, self._block = tuple(kinds), columns, block
        self._reader = RowReader(columns, kinds[0], image_folder, features, wording)
        if rows.features and not self._is_json:  # so that a block holds nothing else
            self._rows = self._rows.select_columns(self._reader.used)

    @property
    def kinds(self) -> tuple[str, ...]:
        return self._kinds

    def read(
        self, seed: int | None, epoch: int, position: Position | None
    ) -> Iterator[tuple[VQASample | UnreadableSample, Position]]:
        for make, after in self.unread(seed, epoch, position):
            yield make(), after

    def unread(
        self, seed: int | None, epoch: int, position: Position | None
    ) -> Iterator[tuple[Callable[[], Row], Position]]:
        position = position or {"block": 0, "drawn": 0, "rows": self._start}
        block, drawn, start = position["block"], position["drawn"], position["rows"]
        self._rows.load_state_dict(start)
        rows = iter(self._rows)
        while numbered := list(enumerate(self._take(rows), block * self._block)):
            end = self._rows.state_dict()
            if seed is not None:
                random.Random(f"stream/{seed}/{epoch}/{block}").shuffle(numbered)
            for count, (number, row) in enumerate(numbered[drawn:], drawn + 1):
                yield (
                    partial(self._read, number, row),
                    {"block": block, "drawn": count, "rows": start},
                )
            block, drawn, start = block + 1, 0, end

    def _take(self, rows: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of the next block.

        Raises:
            RunStopped: the table can't be read any further, such as where a file has gone.
        """
        try:
            return list(islice(rows, self._block))
        except (OSError, ValueError, DatasetsError) as error:
            raise RunStopped(
                f"VQAStream.path: {self._path!r} can't be read any further: {cause_of(error)}"
            ) from error

    def _features(self) -> Mapping[str, Any] | None:
        """Features by column, as far as they are known from the first rows; ``None`` without rows.

        Raises:
            ConfigError: one of the first rows of a JSON file is no JSON object.
        """
        try:
            first = list(islice(self._rows, FIRST_ROWS if self._is_json else 1))
            if self._is_json:
                return fields_of(row_of(row[LINE]) for row in first) or None
        except ValueError as error:
            why = error if isinstance(error, BadRow) else cause_of(error)
            raise ConfigError(f"VQAStream.path: one of the first rows: {why}") from error
        return self._rows.features or dict.fromkeys(first[0]) if first else None

    def _read(self, number: int, row: dict[str, Any]) -> VQASample | UnreadableSample:
        if self._is_json:
            try:
                row = row_of(row[LINE])
            except BadRow as error:
                return UnreadableSample(f"row {number}", str(error))
        named = None if self._columns.id is None else value_of(row, self._columns.id)
        sample = self._reader.read(f"row {number}" if named is None else str(named), row)
        if isinstance(sample, VQASample) and sample.kind not in self._kinds:
            return UnreadableSample(sample.id, f"kind not among kinds: {sample.kind!r}")
        return sample
