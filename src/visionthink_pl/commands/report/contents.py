"""Gathers what a page shows from a folder, within a number of bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from visionthink_pl.callbacks.trajectory_files import FOLDER
from visionthink_pl.commands.report.before_after import before_after
from visionthink_pl.commands.report.charts import curves, modes_chart
from visionthink_pl.commands.report.log_index import (
    LoggedGroup,
    index_log,
    spread_groups,
    trajectories_in,
)
from visionthink_pl.commands.report.modes_tables import modes_tables
from visionthink_pl.commands.report.report_page import Content, render
from visionthink_pl.commands.report.scalars import Scalars, read_scalars
from visionthink_pl.commands.report.shown_groups import as_json, files_of, shown_group
from visionthink_pl.commands.report.thumbnails import Thumbnails, thumbnails
from visionthink_pl.types import ConfigError

SUMMARY = "summary.json"
MOST = 2000  # trajectories on a page
SCRIPTS = 50_000  # bytes of what shows trajectories
TEXT = 0.75  # most that text may take of the rest; images get what is left


def gather(folder: Path, max_bytes: int) -> Content:
    """Read all that is there.

    Args:
        folder: of a run's logs or of an evaluation.
        max_bytes: of the whole page.

    Raises:
        ConfigError: there is nothing to show, or a file can't be read.
    """
    scalars, summary = read_scalars(folder), _summary(folder)
    groups = index_log(folder / FOLDER)
    if not (scalars or summary or groups):
        raise ConfigError(
            f"{str(folder)!r} holds no metrics (TensorBoard or metrics.csv), no {FOLDER}/*.jsonl "
            f"and no {SUMMARY}; name a run's version_N, or the folder of an evaluation"
        )
    modes = summary.get("modes", {})
    scored = any("score" in figures for figures in modes.values())
    empty = Content(
        title="/".join(folder.resolve().parts[-2:]),
        facts=_facts(scalars, summary, groups),
        before_after=before_after(scalars),
        curves=curves(scalars),
        modes=[modes_chart(modes)] if scored else [],
        tables=modes_tables(summary) if modes else [],
        groups=[],
        images={},
        notes=[],
    )
    left = max_bytes - len(render(empty).encode()) - SCRIPTS
    shown, images = _fitting(groups, folder / FOLDER, left)
    return replace(
        empty,
        groups=[text for _, text in shown],
        images=images.urls,
        notes=_notes(groups, [group for group, _ in shown], images),
    )


def _summary(folder: Path) -> dict[str, Any]:
    file = folder / SUMMARY
    if not file.is_file():
        return {}
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ConfigError(f"{str(file)!r} is no JSON object") from error


def _fitting(
    groups: Sequence[LoggedGroup], folder: Path, max_bytes: int
) -> tuple[list[tuple[LoggedGroup, str]], Thumbnails]:
    """As many groups as fit, each with its JSON, and their images."""
    chosen = spread_groups(groups, MOST)
    values = {group: shown_group(group) for group in chosen}
    texts = {group: as_json(value) for group, value in values.items()}
    while chosen and (size := sum(len(texts[group]) for group in chosen)) > TEXT * max_bytes:
        most = int(0.95 * trajectories_in(chosen) * TEXT * max_bytes / size)
        chosen = spread_groups(chosen, most)
    names = list(dict.fromkeys(name for group in chosen for name in files_of(values[group])))
    left = max_bytes - sum(len(texts[group]) + 1 for group in chosen)
    images = thumbnails(folder, names, left - sum(len(as_json(name)) + 4 for name in names))
    return [(group, texts[group]) for group in chosen], images


def _facts(scalars: Scalars, summary: dict[str, Any], groups: Sequence[LoggedGroup]) -> list[str]:
    facts = [f"model {summary['model']}"] if "model" in summary else []
    if curve := scalars.get("optimizer_step"):
        facts.append(counted(int(curve[max(curve)]), "optimizer step"))
    if curve := scalars.get("rollout_step"):
        facts.append(counted(int(curve[max(curve)]) + 1, "rollout batch", "rollout batches"))
    if groups:
        facts.append(counted(trajectories_in(groups), "trajectory", "trajectories"))
    return facts


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def _notes(
    groups: Sequence[LoggedGroup], shown: Sequence[LoggedGroup], images: Thumbnails
) -> list[str]:
    """What the reader would otherwise take for all there is."""
    written, here = trajectories_in(groups), trajectories_in(shown)
    notes = []
    if here < written:
        notes.append(
            f"{here:,} of {written:,} trajectories are shown: whole groups, at equal distances in "
            "each part of the log."
        )
    if images.side is None:
        notes.append("The images did not fit into this page.")
    else:
        notes.append(f"Images are shrunk to at most {images.side} pixels a side.")
    notes.append("In the list a bar is an answer: full where wrong, tall where it looked twice.")
    return notes
