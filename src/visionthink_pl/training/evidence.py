"""Where a trajectory looked, against where the evidence lies."""

from __future__ import annotations

from collections.abc import Sequence

from visionthink_pl.types import Box, Region, Trajectory, View

MOST = 0.5  # share of a region that a view must cover


def looks_at(trajectory: Trajectory, evidence: Sequence[Region]) -> int:
    """How many of its looks show at least half of some region of the evidence."""
    looks = [turn.shown for turn in trajectory.turns if turn.shown]
    return sum(
        any(covers(view, region) for view in views for region in evidence) for views in looks
    )


def covers(view: View, region: Region) -> bool:
    """Whether a view shows at least half of a region."""
    if view.source != region.source:
        return False
    return view.box is None or _common(view.box, region.box) >= MOST * _area(region.box)


def _common(one: Box, other: Box) -> int:
    left, top = max(one.left, other.left), max(one.top, other.top)
    right, bottom = min(one.right, other.right), min(one.bottom, other.bottom)
    return max(right - left, 0) * max(bottom - top, 0)


def _area(box: Box) -> int:
    return (box.right - box.left) * (box.bottom - box.top)
