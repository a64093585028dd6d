"""The answers on disk, from which a killed evaluation resumes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from visionthink_pl.callbacks.trajectory_files import FOLDER, TrajectoryFiles, read_records
from visionthink_pl.commands.answering.modes import Mode
from visionthink_pl.types import ConfigError

SETTINGS = "settings.json"
NO_LIMIT = 2**62  # bytes
MAX_SIDE = 768


class Answers:
    """Records by mode, in ``trajectories/MODE.jsonl``; a batch is there as a whole or not at all.

    Args:
        folder: of the evaluation.
        made_with: what the answers depend on.

    Raises:
        ConfigError: the folder's answers were made with other settings.
    """

    def __init__(self, folder: Path, made_with: Mapping[str, Any]) -> None:
        _check(folder, json.loads(json.dumps(made_with, default=str)))
        self.files = TrajectoryFiles(folder / FOLDER, NO_LIMIT, MAX_SIDE)

    def of(self, mode: Mode) -> list[dict[str, Any]]:
        """The records of a mode, in the order in which they were written."""
        file = self.files.folder / f"{mode.name}.jsonl"
        return list(read_records(file)) if file.is_file() else []

    def begin(self, mode: Mode, batches: Mapping[tuple[str, int], int]) -> set[tuple[str, int]]:
        """Drop batches that are not there as a whole.

        Args:
            mode: whose answers they are.
            batches: how many records each batch has, by benchmark and number.

        Returns:
            The batches that are there.
        """
        found: dict[tuple[str, int], int] = {}
        for record in self.of(mode):
            key = record["benchmark"], record["batch"]
            found[key] = found.get(key, 0) + 1
        whole = {key for key, count in found.items() if count == batches.get(key)}
        self.files.keep(mode.name, lambda line: (line["benchmark"], line["batch"]) in whole)
        return whole

    def append(self, mode: Mode, records: Sequence[Mapping[str, Any]]) -> None:
        """Add a batch."""
        self.files.append(mode.name, records)


def _check(folder: Path, made_with: dict[str, Any]) -> None:
    """Compare with the settings that the folder's answers were made with; where there are no
    answers yet, write the settings."""
    file = folder / SETTINGS
    if not any((folder / FOLDER).glob("*.jsonl")):
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(made_with, indent=1) + "\n", encoding="utf-8")
        return
    if not file.is_file():
        raise ConfigError(f"out: {str(folder)!r} holds answers, but no {SETTINGS} with them")
    before = json.loads(file.read_text(encoding="utf-8"))
    keys = dict.fromkeys([*before, *made_with])
    if differ := [key for key in keys if before.get(key) != made_with.get(key)]:
        raise ConfigError(
            f"out: the answers in {str(folder)!r} were made with other {', '.join(differ)}; choose "
            "another out folder, or set them back"
        )
