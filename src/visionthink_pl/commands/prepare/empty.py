"""The error for a data set without samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from visionthink_pl.commands.prepare.classify import Verdict
from visionthink_pl.commands.prepare.record import Row
from visionthink_pl.commands.prepare.selection import Selection
from visionthink_pl.commands.prepare.settings import Settings
from visionthink_pl.types import RunStopped

SHOWN = 6  # pairs of counts in the error, most frequent first


def refuse_nothing_kept(selection: Selection, rows: Mapping[int, Row], settings: Settings) -> None:
    """Stop where no sample was kept; the error gives the counts, and what to change.

    Raises:
        RunStopped: none was kept.
    """
    if selection.kept:
        return
    counted = [row for row in rows.values() if row.index in selection.verdicts]
    why = _why(selection, counted, settings) if counted else "none could be counted"
    raise RunStopped(f"0 of {selection.summary.samples} samples were kept: {why}")


def _why(selection: Selection, counted: list[Row], settings: Settings) -> str:
    classed = Counter(selection.verdicts.values())
    del classed[Verdict.DROPPED]
    if classed:  # one class only, of which balance draws as many as of the empty other
        ((verdict, count),) = classed.items()
        return (
            f"all {count} that were not dropped are of one class ({verdict}), and balance draws as "
            "many as the other has; --balance false keeps them, or take more samples"
        )
    most = settings.rollouts
    pairs = Counter((row.low, row.high) for row in counted).most_common(SHOWN)
    counts = ", ".join(f"{low} and {high}: {n}" for (low, high), n in pairs)
    return (
        f"none of the {len(counted)} counted was correct {most} times of {most} at low and at high "
        f"resolution, nor {settings.gain} times more often at high (the most frequent counts, as "
        f"low and high: samples; {counts}); where most are 0 and 0 look at max_new_tokens, "
        "accuracy and policy, else try another gain"
    )
