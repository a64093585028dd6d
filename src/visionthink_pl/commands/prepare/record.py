"""The counts on disk, from which a killed run resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from visionthink_pl.types import ConfigError

COUNTS, SETTINGS = "counts.jsonl", "settings.json"


@dataclass(frozen=True)
class Row:
    """One sample's line of ``counts.jsonl``.

    Attributes:
        index: in the source.
        id: the sample's.
        unreadable: why it can't be used; the fields below then keep their defaults.
        question: the sample's.
        digest: of its pixels and question.
        phash: perceptual hash of its image, 16 hex digits.
        needs_second_look: as the source says; ``None`` where it doesn't.
        duplicate_of: id of the earlier sample that it duplicates; it is then not rolled out.
        low: correct rollouts at low resolution; ``None`` where one could not be scored.
        high: correct rollouts at high resolution, likewise.
    """

    index: int
    id: str
    unreadable: str | None = None
    question: str = ""
    digest: str = ""
    phash: str = ""
    needs_second_look: bool | None = None
    duplicate_of: str | None = None
    low: int | None = None
    high: int | None = None

    @property
    def to_roll_out(self) -> bool:
        """Whether it is neither unreadable nor a duplicate."""
        return self.unreadable is None and self.duplicate_of is None

    @property
    def unscored(self) -> bool:
        """Whether it is to be rolled out, and not all rollouts are scored."""
        return self.to_roll_out and (self.low is None or self.high is None)


class Record:
    """Rows by index, written to ``counts.jsonl`` after each batch.

    Of several lines for one sample the last one holds. An incomplete last line, as a kill may
    leave it, is cut off.

    Args:
        folder: that holds the record; made if necessary.
        fingerprint: all settings that the counts depend on, by key.

    Raises:
        ConfigError: the folder's counts were made with other settings, or can't be read.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / COUNTS
        _check(folder, json.loads(json.dumps(fingerprint)))
        self.rows = {row.index: row for row in _read(self._file)}

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows to the file; once this returns, a kill of the process can't lose them."""
        with self._file.open("a", encoding="utf-8", newline="\n") as file:
            file.write("".join(json.dumps(asdict(row)) + "\n" for row in rows))
        self.rows |= {row.index: row for row in rows}


def write_whole(file: Path, text: str) -> None:
    """Write a file atomically: to a temporary name, then renamed."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, file)


def _check(folder: Path, fingerprint: dict[str, Any]) -> None:
    """Compare with the settings that the folder's counts were made with; where there are no counts
    yet, write the settings."""
    file, counts = folder / SETTINGS, folder / COUNTS
    if not counts.is_file() or not counts.stat().st_size:
        return write_whole(file, json.dumps(fingerprint, indent=1) + "\n")
    if not file.is_file():
        raise ConfigError(f"out: {str(folder)!r} holds a {COUNTS}, but no {SETTINGS} with it")
    made_with = json.loads(file.read_text(encoding="utf-8"))
    keys = dict.fromkeys([*made_with, *fingerprint])
    differ = [key for key in keys if made_with.get(key) != fingerprint.get(key)]
    if differ:
        changes = ", ".join(
            f"{k}: {made_with.get(k)!r}, now {fingerprint.get(k)!r}" for k in differ
        )
        raise ConfigError(
            f"out: the counts in {str(folder)!r} were made with other settings ({changes}); set "
            f"them back, or choose another out folder; where the counts can't depend on it, change "
            f"{SETTINGS} in that folder"
        )


def _read(file: Path) -> list[Row]:
    if not file.is_file():
        return []
    text = file.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        os.truncate(file, len(whole))
    lines = whole.decode("utf-8").split("\n")[:-1]
    return [_row(line, f"{file}:{number}") for number, line in enumerate(lines, 1)]


def _row(line: str, where: str) -> Row:
    try:
        return Row(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"out: {where} is not a line of counts: {error}") from error
