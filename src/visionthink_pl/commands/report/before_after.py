"""The first validation against the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visionthink_pl.callbacks.comparison import COLUMNS
from visionthink_pl.commands.report.scalars import Scalars

STAGE = "val/"
FORMATS = {"accuracy": ".3f"}  # all others are shares
NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class FigureChange:
    """One figure, as text.

    Attributes:
        before: in the first validation.
        after: in the last.
    """

    before: str
    after: str


@dataclass(frozen=True)
class BeforeAfter:
    """Two validations side by side.

    Attributes:
        first: when the first was.
        last: when the last was; ``None`` where there is one only.
        columns: titles, in the order of the changes of a row.
        rows: by kind, "all" first.
    """

    first: str
    last: str | None
    columns: Sequence[str]
    rows: dict[str, list[FigureChange]]


def before_after(scalars: Scalars) -> BeforeAfter | None:
    """Read both from the log; ``None`` where it holds no validation."""
    steps = {step for name in scalars if name.startswith(STAGE) for step in scalars[name]}
    if not steps:
        return None
    first, last = min(steps), max(steps)

    def row(kind: str) -> list[FigureChange]:
        return [_change(scalars, metric, kind, first, last) for metric in COLUMNS]

    start = f"{STAGE}accuracy/"
    kinds = sorted(name.removeprefix(start) for name in scalars if name.startswith(start))
    rows = {"all": row("")} | {kind: row(f"/{kind}") for kind in kinds if len(kinds) > 1}
    when = _when(first), _when(last) if last != first else None
    return BeforeAfter(*when, list(COLUMNS.values()), rows)


def _when(batches: int) -> str:
    return f"after {batches:,} rollout batches" if batches else "before training"


def _change(scalars: Scalars, metric: str, kind: str, first: int, last: int) -> FigureChange:
    curve = scalars.get(f"{STAGE}{metric}{kind}", {})
    before, after = (
        format(curve[step], FORMATS.get(metric, ".1%")) if step in curve else NOTHING
        for step in (first, last)
    )
    return FigureChange(before, after)
