"""Batches of a stream, each with the place behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from visionthink_pl.data.bad_rows import usable
from visionthink_pl.data.source import Place, Source, Stream
from visionthink_pl.ranks import ALL, Share
from visionthink_pl.types import ConfigError, PromptBatch, UnreadableSample, VQASample


def collate_prompts(
    rows: Sequence[VQASample | UnreadableSample], needs_answer: bool = True
) -> PromptBatch:
    """One draw: the samples, and the bad rows.

    Args:
        rows: as their source gave them.
        needs_answer: a row without an answer is a bad row, as everywhere but in prediction.
    """
    checked = [usable(row, needs_answer) for row in rows]
    return PromptBatch(
        samples=[row for row in checked if isinstance(row, VQASample)],
        unreadable=[row for row in checked if isinstance(row, UnreadableSample)],
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
        source: of samples.
        size: samples in a batch, over all ranks.
        needs_answer: as of ``collate_prompts``.
        share: which samples of a batch are this rank's.
    """

    def __init__(self, source: Source, size: int, needs_answer: bool, share: Share) -> None:
        self._source, self._size = source, size
        self._needs_answer, self._share = needs_answer, share

    def __len__(self) -> int:
        return -(-len(self._source) // self._size)

    def __iter__(self) -> Iterator[PromptBatch]:
        places = range(len(self._source))
        for start in range(0, len(places), self._size):
            own = self._share.of(places[start : start + self._size])
            yield collate_prompts([self._source[i] for i in own], self._needs_answer)


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
        share: which samples of a batch are this rank's; all of them are read.

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
    ) -> None:
        self._stream, self._size, self._seed, self._share = stream, size, seed, share
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
        rows: list[VQASample | UnreadableSample] = []
        enough = place is not None
        for row, behind in self._stream.read(self._seed, epoch, place):
            rows.append(row)
            if len(rows) == self._size:
                enough = True
                batch = collate_prompts(self._share.of(rows))
                batch.place = {"epoch": epoch, "stream": behind}
                yield batch
                rows = []
        if not enough:
            raise too_few(self._size, "the stream", len(rows), "rows")
