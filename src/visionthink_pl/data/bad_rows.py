"""Bad rows: which rows are bad, and the summary of those in a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.table import Table

from visionthink_pl.data.texts import not_unicode, printable
from visionthink_pl.types import UnreadableSample, VQASample

SHOWN = 20  # ids a reason


class BadRow(ValueError):
    """A row that is no sample; the message says why."""


def bad_row(name: str, reason: str) -> UnreadableSample:
    """A row that is left out, its id and the reason such that they can be written anywhere."""
    return UnreadableSample(printable(name), printable(reason))


def encodable(row: VQASample) -> VQASample | UnreadableSample:
    """The row, or the bad row that it is for a text that can't be encoded."""
    texts = {"id": (row.id,), "question": (row.question,), "answer": row.answers}
    kinds = {"kind": (row.kind, *row.extra_kinds)}
    for role, values in (texts | kinds).items():
        for value in values:
            if (why := not_unicode(value)) is not None:
                return bad_row(row.id, f"{role} can't be encoded: {why}")
    return row


def usable(
    row: VQASample | UnreadableSample, needs_answer: bool = True
) -> VQASample | UnreadableSample:
    """The row, or the bad row that it is: for want of a question, of a kind or of an answer, or
    for a text that can't be encoded.

    Args:
        row: as its source gave it.
        needs_answer: whether it will be scored.
    """
    if isinstance(row, UnreadableSample):
        told = bad_row(row.id, row.reason)
        return row if told == row else told
    row = encodable(row)
    if isinstance(row, UnreadableSample):
        return row
    if not row.question.strip():
        return UnreadableSample(row.id, "empty question")
    if not row.kind.strip():
        return UnreadableSample(row.id, "no kind")
    blank = [not answer.strip() for answer in row.answers]
    if needs_answer and any(blank):
        what = "no answer" if all(blank) else "blank answer among several"
        return UnreadableSample(row.id, what)
    return row


class BadRows:
    """The bad rows of a run, each counted once however often it is drawn."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[str, str], str] = {}  # by stage and id

    def add(self, stage: str, row: UnreadableSample) -> None:
        """Note a row that was met in ``stage``."""
        self._reasons.setdefault((stage, row.id), row.reason)

    def count(self, stage: str) -> int:
        """How many rows of a stage are bad."""
        return sum(where == stage for where, _ in self._reasons)

    def __len__(self) -> int:
        return len(self._reasons)

    def summary(self, stage: str) -> str:
        """Of one stage, in one line: reasons, counts and the first ids, and what the first row's
        reason says more."""
        groups = [
            (reason, rows) for (where, reason), rows in self._grouped().items() if where == stage
        ]
        return "; ".join(f"{reason}: {len(rows)} ({_first(rows)})" for reason, rows in groups)

    def table(self) -> Table:
        """A row a stage and reason, with how many and which: all of them."""
        table = Table(title=f"Bad rows, left out: {len(self)}")
        for title in ("stage", "reason", "rows", "ids"):
            table.add_column(title, justify="right" if title == "rows" else "left")
        for (stage, reason), rows in self._grouped().items():
            table.add_row(stage, reason, str(len(rows)), ", ".join(name for name, _ in rows))
        return table

    def _grouped(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """By stage and reason, without what comes after its colon: ids, and what comes there."""
        groups: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        for (stage, name), reason in self._reasons.items():
            what, _, detail = reason.partition(":")
            groups[stage, what].append((name, detail.strip()))
        return dict(sorted(groups.items()))


def _first(rows: Sequence[tuple[str, str]]) -> str:
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    detail = f"; of the first: {rows[0][1]}" if rows[0][1] else ""
    return ", ".join(name for name, _ in rows[:SHOWN]) + more + detail
