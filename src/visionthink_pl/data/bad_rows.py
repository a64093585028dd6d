"""Bad rows: which rows are bad, and the summary of those in a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.table import Table

from visionthink_pl.data.texts import not_unicode, printable
from visionthink_pl.types import UnreadableSample, VQASample

MAX_IDS = 20  # that are listed for a reason


class BadRow(ValueError):
    """A row that can't become a sample; the message says why."""


def bad_row(name: str, reason: str) -> UnreadableSample:
    """A row that is left out. Characters of its id and reason that can't be encoded are escaped."""
    return UnreadableSample(printable(name), printable(reason))


def encodable(row: VQASample) -> VQASample | UnreadableSample:
    """The row, or a bad row if one of its texts can't be encoded."""
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
    """The row, or a bad row if its question, kind or answer is missing, or a text can't be encoded.

    Args:
        row: as its source returned it.
        needs_answer: whether it will be scored.
    """
    if isinstance(row, UnreadableSample):
        escaped = bad_row(row.id, row.reason)
        return row if escaped == row else escaped
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
        """Record a bad row of ``stage``."""
        self._reasons.setdefault((stage, row.id), row.reason)

    def count(self, stage: str) -> int:
        """How many rows of a stage are bad."""
        return sum(where == stage for where, _ in self._reasons)

    def __len__(self) -> int:
        return len(self._reasons)

    def summary(self, stage: str) -> str:
        """One line about a stage: reasons, counts, the first ids, and details of the first row."""
        groups = [
            (reason, rows) for (where, reason), rows in self._grouped().items() if where == stage
        ]
        return "; ".join(f"{reason}: {len(rows)} ({_first(rows)})" for reason, rows in groups)

    def table(self) -> Table:
        """One line for each stage and reason, with the number of rows and all their ids."""
        table = Table(title=f"Bad rows, left out: {len(self)}")
        for title in ("stage", "reason", "rows", "ids"):
            table.add_column(title, justify="right" if title == "rows" else "left")
        for (stage, reason), rows in self._grouped().items():
            table.add_row(stage, reason, str(len(rows)), ", ".join(name for name, _ in rows))
        return table

    def _grouped(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """Ids and details by stage and reason. A reason ends at its first colon, where the details
        begin."""
        groups: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        for (stage, name), reason in self._reasons.items():
            what, _, detail = reason.partition(":")
            groups[stage, what].append((name, detail.strip()))
        return dict(sorted(groups.items()))


def _first(rows: Sequence[tuple[str, str]]) -> str:
    more = f" and {len(rows) - MAX_IDS} more" if len(rows) > MAX_IDS else ""
    detail = f"; of the first: {rows[0][1]}" if rows[0][1] else ""
    return ", ".join(name for name, _ in rows[:MAX_IDS]) + more + detail
