"""A cache of what was found about rows, kept beside the data until files change."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

import PIL

from visionthink_pl import __version__
from visionthink_pl.data.source import Origin, Stamp, stamp
from visionthink_pl.types import UnreadableSample

FOLDER = ".visionthink_pl"
ELSEWHERE = "visionthink_pl"  # within the user's cache, where the data's folder can't be written to

log = logging.getLogger(__name__)


class Finding(NamedTuple):
    """What was found about one row.

    Attributes:
        bad: what is wrong with it, if anything is.
        files: that its images are in.
        lasting: whether it stays so while no file changes. A file that could not be read may be
            readable the next time.
    """

    bad: UnreadableSample | None
    files: tuple[Stamp, ...] = ()
    lasting: bool = True


class Remembered:
    """The cache file of a source; it holds the last look at its rows.

    A file that is not there, can't be read, or is of other data, settings or versions is no
    memory. Where none can be written, none is.

    Args:
        origin: of the rows.
        rows: how many there are.
        judged_by: what findings depend on beside the rows, as plain values.
    """

    def __init__(self, origin: Origin, rows: int, judged_by: Mapping[str, Any]) -> None:
        self._rows = rows
        self._key = _digest(
            {
                "options": origin.options,
                "rows": rows,
                "files": [stamp(file) for file in origin.files],
                "judged_by": judged_by,
                "versions": [__version__, PIL.__version__],
            }
        )
        name = f"rows-{_digest(origin.options)[:16]}.json"
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        self._places = (origin.folder / FOLDER / name, Path(caches, ELSEWHERE, name))

    def read(self) -> list[Finding | None]:
        """What still holds, row by row; ``None`` where it has to be found out."""
        for place in self._places:
            try:
                kept = json.loads(place.read_text(encoding="utf-8"))
                if kept["key"] == self._key and len(kept["rows"]) == self._rows:
                    return _still_true([_finding(row) for row in kept["rows"]])
            except FileNotFoundError:
                continue
            except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
                log.debug("not to be read: %s: %s", place, error)
        return [None] * self._rows

    def write(self, findings: Sequence[Finding]) -> None:
        """Write all findings atomically."""
        rows = [_plain(finding) if finding.lasting else None for finding in findings]
        text = json.dumps({"key": self._key, "rows": rows}, separators=(",", ":"))
        for place in self._places:
            try:
                _replace(place, text)
                return
            except OSError as error:
                log.debug("not to be written: %s: %s", place, error)


def _replace(place: Path, text: str) -> None:
    """Replace the file atomically."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", dir=place.parent, delete=False) as file:
        try:
            file.write(text)
            file.close()
            os.replace(file.name, place)
        except BaseException:
            os.unlink(file.name)
            raise


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _plain(finding: Finding) -> list[Any]:
    bad = None if finding.bad is None else [finding.bad.id, finding.bad.reason]
    return [bad, finding.files]


def _finding(row: Any) -> Finding | None:
    if row is None:
        return None
    bad, files = row
    stamps = tuple((str(path), int(size), int(time)) for path, size, time in files)
    return Finding(None if bad is None else UnreadableSample(*map(str, bad)), stamps)


def _still_true(findings: Sequence[Finding | None]) -> list[Finding | None]:
    """Without those of which a file has changed; each file is looked up once."""
    now = {path: stamp(path) for f in findings if f is not None for path, _, _ in f.files}
    return [
        None if f is None or any(now[file[0]] != file for file in f.files) else f for f in findings
    ]
