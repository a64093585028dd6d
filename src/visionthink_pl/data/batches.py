"""Batches of sources and streams, prefetched; a stream's batch has the position behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from visionthink_pl.data.ahead import Ahead, Workers
from visionthink_pl.data.bad_rows import usable
from visionthink_pl.data.order import PromptOrder
from visionthink_pl.data.share import ALL, Share
from visionthink_pl.data.source import Place, Row, Source, Stream
from visionthink_pl.types import ConfigError, PromptBatch, UnreadableSample, VQASample


class Ready(NamedTuple):
    """A row with what a loader thread prepared of it.

    Attributes:
        row: as its source gave it; a sample's views may have been made.
        pixels: as of ``PromptBatch``.
    """

    row: Row
    pixels: Sequence[Any] = ()


Prepare = Callable[[VQASample], Ready]  # in any thread


class SourceRows:
    """Rows of a source, prefetched.

    Args:
        source: of samples.
        prepare: makes a sample ready.
        workers: that do it.
    """

    def __init__(self, source: Source, prepare: Prepare, workers: Workers) -> None:
        self._source, self._prepare = source, prepare
        self._ahead = Ahead(self._make, workers)

    def __len__(self) -> int:
        return len(self._source)

    def take(self, wanted: Sequence[int], then: Sequence[int]) -> list[Ready]:
        """The rows ``wanted``; those ``then`` are prefetched. See ``Ahead.take``."""
        return self._ahead.take(wanted, then)

    def _make(self, index: int) -> Ready:
        return made_ready(self._source[index], self._prepare)


class DrawnRows(SourceRows):
    """A data set for the loader that prefetches by the sampler's upcoming indices.

    Args:
        source, prepare, workers: as of ``SourceRows``.
        order: in which they are drawn.
    """

    def __init__(
        self, source: Source, prepare: Prepare, workers: Workers, order: PromptOrder
    ) -> None:
        super().__init__(source, prepare, workers)
        self._order = order

    def __getitems__(self, indices: Sequence[int]) -> list[Ready]:
        return self.take(indices, self._order.upcoming())


def made_ready(row: Row, prepare: Prepare) -> Ready:
    """Prepare a row; a bad row is returned unchanged."""
    return prepare(row) if isinstance(row, VQASample) else Ready(row)


def collate_prompts(ready: Sequence[Ready], needs_answer: bool = True) -> PromptBatch:
    """One draw: the samples, and the bad rows.

    Args:
        ready: rows as they were made.
        needs_answer: a row without an answer is a bad row, as everywhere but in prediction.
    """
    checked = [usable(row, needs_answer) for row, _ in ready]
    return PromptBatch(
        samples=[row for row in checked if isinstance(row, VQASample)],
        unreadable=[row for row in checked if isinstance(row, UnreadableSample)],
        pixels=[image for _, pixels in ready for image in pixels],
    )


def too_few(size: int, source: str, count: int, what: str) -> ConfigError:
    """The error where no batch of ``size`` prompts would ever be full.

    Args:
        size: B.
        source: what has too few.
        count: how many it has.
        what: name of that which is counted.
    """
    hint = f"; set data.prompts_per_step to {count} or less" if count else ""
    return ConfigError(
        f"data.prompts_per_step: {size} prompts a step, but {source} has only {count} {what}{hint}"
    )


class BatchesInOrder:
    """A loader of a source as it stands, the remainder included.

    Every rank has as many batches as the others: the last may be empty on some.

    Args:
        rows: of the source.
        size: samples in a batch, over all ranks.
        needs_answer: as of ``collate_prompts``.
        share: which samples of a batch are this rank's.
    """

    def __init__(self, rows: SourceRows, size: int, needs_answer: bool, share: Share) -> None:
        self._rows, self._size = rows, size
        self._needs_answer, self._share = needs_answer, share

    def __len__(self) -> int:
        return -(-len(self._rows) // self._size)

    def __iter__(self) -> Iterator[PromptBatch]:
        shares = [self._batch(start) for start in range(0, len(self._rows), self._size)]
        for own, then in zip(shares, [*shares[1:], ()], strict=True):
            yield collate_prompts(self._rows.take(own, then), self._needs_answer)

    def _batch(self, start: int) -> Sequence[int]:
        return self._share.of(range(len(self._rows))[start : start + self._size])


class StreamBatches:
    """A loader of B prompts a batch; a last batch that would be smaller is left out.

    Lightning fetches a batch ahead from what has no length, and may begin an epoch only to drop it,
    so that where this loader stands says nothing: each batch has its own place, and what counts is
    that of the last batch that was used. The next epoch is the one after it.

    Args:
        stream: of samples.
        size: B.
        seed: of the order; ``None`` takes the samples as they come.
        place: of an earlier run, behind which to go on; where its epoch was over, the next one
            begins.
        share: which samples of a batch are this rank's: those are made, the others passed by.
        prepare: makes a sample ready.
        workers: that do it.

    Attributes:
        place: behind the last batch that was used; to be set by who uses it.

    Raises:
        ConfigError: while it is read: a whole epoch has fewer rows than a batch.
    """

    def __init__(
        self,
        stream: Stream,
        size: int,
        seed: int | None,
        place: Place | None,
        share: Share = ALL,
        prepare: Prepare = Ready,
        workers: Workers = Workers(0),  # noqa: B008 (it has no state)
    ) -> None:
        self._stream, self._size, self._seed, self._share = stream, size, seed, share
        self._prepare, self._workers = prepare, workers
        self.place = self._restored = place

    def __iter__(self) -> Iterator[PromptBatch]:
        if self.place is None:
            yield from self._batches(0, None)
            return
        over = True
        if self.place is self._restored:
            for batch in self._batches(self.place["epoch"], self.place["stream"]):
                over = False
                yield batch
        if over:
            yield from self._batches(self.place["epoch"] + 1, None)

    def _batches(self, epoch: int, place: Place | None) -> Iterator[PromptBatch]:
        """Each behind the start of the next one."""
        begun: list[Callable[[], Ready]] = []
        behind: Place = {}
        for makes, next_behind in self._whole_batches(epoch, place):
            own = [partial(self._make, make) for make in self._share.of(makes)]
            next_begun = self._workers.begin(own)
            if behind:
                yield _batch(begun, behind)
            begun, behind = next_begun, {"epoch": epoch, "stream": next_behind}
        if behind:
            yield _batch(begun, behind)

    def _whole_batches(
        self, epoch: int, place: Place | None
    ) -> Iterator[tuple[list[Callable[[], Row]], Place]]:
        makes: list[Callable[[], Row]] = []
        enough = place is not None
        for make, behind in self._stream.unread(self._seed, epoch, place):
            makes.append(make)
            if len(makes) == self._size:
                enough = True
                yield makes, behind
                makes = []
        if not enough:
            raise too_few(self._size, "the stream", len(makes), "rows")

    def _make(self, make: Callable[[], Row]) -> Ready:
        return made_ready(make(), self._prepare)


def _batch(begun: Sequence[Callable[[], Ready]], behind: Place) -> PromptBatch:
    batch = collate_prompts([ready() for ready in begun])
    batch.place = behind
    return batch
