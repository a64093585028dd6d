"""The counts so far, on disk: what a run that was killed goes on from."""

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
    """What is known of one sample: a line of ``counts.jsonl``.

    Attributes:
        index: in the source.
        id: the sample's.
        unreadable: why its image could not be decoded; then nothing below is known.
        question: the sample's.
        digest: of its pixels and question.
        phash: perceptual hash of its image, 16 hex digits.
        needs_second_look: what the source says, where it says anything.
        duplicate_of: id of the earlier sample that it repeats; then it was not rolled out.
        low: how many rollouts were correct at low resolution; ``None`` where some could not be
            scored.
        high: the same at high resolution.
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
        """Neither unreadable nor a duplicate."""
        return self.unreadable is None and self.duplicate_of is None

    @property
    def unscored(self) -> bool:
        """Rolled out, and not all of it could be scored."""
        return self.to_roll_out and (self.low is None or self.high is None)


class Record:
    """Rows by their index, each written down as soon as it is known.

    A line of a sample that stands further down replaces an earlier one. A last line without an
    end, as a kill may leave it, is cut off.

    Args:
        folder: where the record is kept; made if it isn't there.
        fingerprint: all that the counts depend on, by key.

    Raises:
        ConfigError: the folder holds counts that were made otherwise, or no such record.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / COUNTS
        _check(folder, json.loads(json.dumps(fingerprint)))
        self.rows = {row.index: row for row in _read(self._file)}

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows down; once this returns, a kill can't lose them."""
        with self._file.open("a", encoding="utf-8", newline="\n") as file:
            file.write("".join(json.dumps(asdict(row)) + "\n" for row in rows))
        self.rows |= {row.index: row for row in rows}


def write_whole(file: Path, text: str) -> None:
    """Write a file such that it is never seen half written."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, file)


def _check(folder: Path, fingerprint: dict[str, Any]) -> None:
    """Compare with the settings that the folder's counts were made with. Where nothing has been
    counted yet, these are written down."""
    file, counts = folder / SETTINGS, folder / COUNTS
    if not counts.is_file() or not counts.stat().st_size:
        return write_whole(file, json.dumps(fingerprint, indent=1) + "\n")
    if not file.is_file():
        raise ConfigError(f"out: {str(folder)!r} holds a {COUNTS}, but no {SETTINGS} with it")
    made_with = json.loads(file.read_text(encoding="utf-8"))
    keys = dict.fromkeys([*made_with, *fingerprint])
    differ = [key for key in keys if made_with.get(key) != fingerprint.get(key)]
    if differ:
        said = ", ".join(f"{k}: {made_with.get(k)!r}, now {fingerprint.get(k)!r}" for k in differ)
        raise ConfigError(
            f"out: the counts in {str(folder)!r} were made with other settings ({said}); set them "
            f"back, or choose another out folder; where the counts can't depend on it, change "
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
        raise ConfigError(f"out: {where} is no line of counts: {error}") from error
