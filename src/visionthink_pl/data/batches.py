"""Prefetched batches of sources and streams. A batch of a stream holds the position after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from visionthink_pl.data.bad_rows import usable
from visionthink_pl.data.order import PromptOrder
from visionthink_pl.data.prefetching import Prefetcher, Workers
from visionthink_pl.data.share import ALL, Share
from visionthink_pl.data.source import Position, Row, Source, Stream
from visionthink_pl.types import ConfigError, PromptBatch, UnreadableSample, VQASample


class Ready(NamedTuple):
    """A row that a loader thread has prepared.

    Attributes:
        row: as its source returned it; a sample may have its views.
        pixels: see ``PromptBatch``.
    """

    row: Row
    pixels: Sequence[Any] = ()


Prepare = Callable[[VQASample], Ready]  # in any thread


class SourceRows:
    """Rows of a source, prefetched.

    Args:
        source: of samples.
        prepare: prepares a sample.
        workers: that prepare the samples.
    """

    def __init__(self, source: Source, prepare: Prepare, workers: Workers) -> None:
        self._source, self._prepare = source, prepare
        self._prefetcher = Prefetcher(self._make, workers)

    def __len__(self) -> int:
        return len(self._source)

    def get(self, indices: Sequence[int], upcoming: Sequence[int]) -> list[Ready]:
        """The rows at ``indices``; those at ``upcoming`` are prefetched. See ``Prefetcher.get``."""
        return self._prefetcher.get(indices, upcoming)

    def _make(self, index: int) -> Ready:
        return made_ready(self._source[index], self._prepare)


class DrawnRows(SourceRows):
    """A data set for the loader that prefetches by the sampler's upcoming indices.

    Args:
        source, prepare, workers: see ``SourceRows``.
        order: in which rows are drawn.
    """

    def __init__(
        self, source: Source, prepare: Prepare, workers: Workers, order: PromptOrder
    ) -> None:
        super().__init__(source, prepare, workers)
        self._order = order

    def __getitems__(self, indices: Sequence[int]) -> list[Ready]:
        return self.get(indices, self._order.upcoming())


def made_ready(row: Row, prepare: Prepare) -> Ready:
    """Prepare a row; a bad row is returned unchanged."""
    return prepare(row) if isinstance(row, VQASample) else Ready(row)


def collate_prompts(ready: Sequence[Ready], needs_answer: bool = True) -> PromptBatch:
    """The samples and bad rows of one draw.

    Args:
        ready: prepared rows.
        needs_answer: whether a row without an answer is a bad row: always, except in prediction.
    """
    checked = [usable(row, needs_answer) for row, _ in ready]
    return PromptBatch(
        samples=[row for row in checked if isinstance(row, VQASample)],
        unreadable=[row for row in checked if isinstance(row, UnreadableSample)],
        pixels=[image for _, pixels in ready for image in pixels],
    )


def too_few(size: int, source: str, count: int, what: str) -> ConfigError:
    """The error if there are too few rows for a single batch.

    Args:
        size: B, prompts in a batch.
        source: name of the source.
        count: how many it has.
        what: what is counted, such as "rows".
    """
    hint = f"; set data.prompts_per_step to {count} or less" if count else ""
    return ConfigError(
        f"data.prompts_per_step: {size} prompts a step, but {source} has only {count} {what}{hint}"
    )


class BatchesInOrder:
    """A loader of a source in its own order. The last batch may be smaller.

    All ranks have the same number of batches; the last one may be empty on some ranks.

    Args:
        rows: of the source.
        size: samples in a batch, over all ranks.
        needs_answer: see ``collate_prompts``.
        share: which samples of a batch belong to this rank.
        empty: so many batches at the start have no samples, since they were done before.
    """

    def __init__(
        self, rows: SourceRows, size: int, needs_answer: bool, share: Share, empty: int = 0
    ) -> None:
        self._rows, self._size, self._empty = rows, size, empty
        self._needs_answer, self._share = needs_answer, share

    def __len__(self) -> int:
        return -(-len(self._rows) // self._size)

    def __iter__(self) -> Iterator[PromptBatch]:
        shares = [self._batch(start) for start in range(0, len(self._rows), self._size)]
        for own, upcoming in zip(shares, [*shares[1:], ()], strict=True):
            yield collate_prompts(self._rows.get(own, upcoming), self._needs_answer)

    def _batch(self, start: int) -> Sequence[int]:
        if start < self._empty * self._size:
            return ()
        return self._share.of(range(len(self._rows))[start : start + self._size])


class StreamBatches:
    """A loader of batches of B prompts. A last batch that would be smaller is left out.

    Lightning prefetches one batch from a loader without a length, and may start an epoch only to
    drop it. The position of this loader is therefore not the position of the training. So each
    batch holds its own position, and that of the last batch that was used counts. The next
    iteration continues in the epoch after it.

    Args:
        stream: of samples.
        size: B.
        seed: of the order; ``None`` keeps the order of the stream.
        position: of an earlier run, after which to continue. If its epoch was over, the next epoch
            begins.
        share: which samples of a batch belong to this rank. Only these are made.
        prepare: prepares a sample.
        workers: that prepare the samples.

    Attributes:
        position: after the last batch that was used. The user of the batches sets it.

    Raises:
        ConfigError: while it is read, if a whole epoch has fewer rows than a batch.
    """

    def __init__(
        self,
        stream: Stream,
        size: int,
        seed: int | None,
        position: Position | None,
        share: Share = ALL,
        prepare: Prepare = Ready,
        workers: Workers = Workers(0),  # noqa: B008 (it has no state)
    ) -> None:
        self._stream, self._size, self._seed, self._share = stream, size, seed, share
        self._prepare, self._workers = prepare, workers
        self.position = self._restored = position

    def __iter__(self) -> Iterator[PromptBatch]:
        if self.position is None:
            yield from self._batches(0, None)
            return
        over = True
        if self.position is self._restored:
            for batch in self._batches(self.position["epoch"], self.position["stream"]):
                over = False
                yield batch
        if over:
            yield from self._batches(self.position["epoch"] + 1, None)

    def _batches(self, epoch: int, position: Position | None) -> Iterator[PromptBatch]:
        """The batches of an epoch. Before one is returned, the next one is started."""
        started: list[Callable[[], Ready]] = []
        after: Position = {}
        for makes, next_after in self._whole_batches(epoch, position):
            own = [partial(self._make, make) for make in self._share.of(makes)]
            next_started = self._workers.start(own)
            if after:
                yield _batch(started, after)
            started, after = next_started, {"epoch": epoch, "stream": next_after}
        if after:
            yield _batch(started, after)

    def _whole_batches(
        self, epoch: int, position: Position | None
    ) -> Iterator[tuple[list[Callable[[], Row]], Position]]:
        makes: list[Callable[[], Row]] = []
        enough = position is not None
        for make, after in self._stream.unread(self._seed, epoch, position):
            makes.append(make)
            if len(makes) == self._size:
                enough = True
                yield makes, after
                makes = []
        if not enough:
            raise too_few(self._size, "the stream", len(makes), "rows")

    def _make(self, make: Callable[[], Row]) -> Ready:
        return made_ready(make(), self._prepare)


def _batch(started: Sequence[Callable[[], Ready]], after: Position) -> PromptBatch:
    batch = collate_prompts([ready() for ready in started])
    batch.position = after
    return batch
