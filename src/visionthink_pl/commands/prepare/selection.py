"""Selects the samples to keep by their counts, and sums up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from visionthink_pl.commands.prepare.classify import Verdict, agreement, balance, classify
from visionthink_pl.commands.prepare.record import Row
from visionthink_pl.commands.prepare.settings import Settings


@dataclass(frozen=True)
class Summary:
    """The numbers of samples in ``summary.json``.

    ``samples`` = ``kept`` + ``dropped`` + ``left_out_by_balance`` + ``duplicates`` +
    ``unreadable`` + ``unscored``, and ``kept`` = ``needs_high`` + ``low_suffices``.

    Attributes:
        samples: in the source.
        kept: in the data set.
        needs_high: kept, of the class that needs high resolution.
        low_suffices: kept, of the other class.
        dropped: counted, and of neither class.
        left_out_by_balance: of one of the two classes, but not drawn.
        duplicates: of an earlier sample; not rolled out.
        unreadable: bad rows, or with several images.
        unscored: not every rollout could be scored; the next run tries them again.
        agreement: share of kept samples whose class agrees with the source; ``None`` where it
            says nothing of any.
        agreement_over: kept samples of which the source says something.
    """

    samples: int
    kept: int
    needs_high: int
    low_suffices: int
    dropped: int
    left_out_by_balance: int
    duplicates: int
    unreadable: int
    unscored: int
    agreement: float | None
    agreement_over: int


@dataclass(frozen=True)
class Selection:
    """The selected samples.

    Attributes:
        verdicts: classes of all counted samples, by index.
        kept: rows of the data set, in the order of the source.
        summary: numbers of samples.
    """

    verdicts: dict[int, Verdict]
    kept: list[Row]
    summary: Summary


def select(rows: Iterable[Row], settings: Settings) -> Selection:
    """Classify all counted rows, and balance the two classes if ``settings.balance``."""
    by_index = {row.index: row for row in rows}
    verdicts = {
        index: classify(row.low, row.high, settings.rollouts, settings.gain)
        for index, row in sorted(by_index.items())
        if row.low is not None and row.high is not None
    }
    classed = [index for index, verdict in verdicts.items() if verdict is not Verdict.DROPPED]
    indices = balance(verdicts, settings.seed) if settings.balance else classed
    kept = [by_index[index] for index in indices]
    return Selection(verdicts, kept, _summary(by_index, verdicts, kept, len(classed)))


def _summary(
    rows: dict[int, Row], verdicts: dict[int, Verdict], kept: list[Row], classed: int
) -> Summary:
    of_kept = [verdicts[row.index] for row in kept]
    labels = [row.needs_second_look for row in kept]
    return Summary(
        samples=len(rows),
        kept=len(kept),
        needs_high=of_kept.count(Verdict.NEEDS_HIGH),
        low_suffices=of_kept.count(Verdict.LOW_SUFFICES),
        dropped=len(verdicts) - classed,
        left_out_by_balance=classed - len(kept),
        duplicates=sum(row.duplicate_of is not None for row in rows.values()),
        unreadable=sum(row.unreadable is not None for row in rows.values()),
        unscored=sum(row.unscored for row in rows.values()),
        agreement=agreement(zip(of_kept, labels, strict=True)),
        agreement_over=sum(needs is not None for needs in labels),
    )
