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
CACHE = "visionthink_pl"  # in the user's cache, used if the data's folder can't be written to

log = logging.getLogger(__name__)


class Finding(NamedTuple):
    """The result of checking one row.

    Attributes:
        bad: the bad row, if it is one.
        files: stamps of its image files.
        lasting: whether the result holds as long as no file changes. A file that could not be read
            may be readable the next time.
    """

    bad: UnreadableSample | None
    files: tuple[Stamp, ...] = ()
    lasting: bool = True


class Remembered:
    """The cache file of a source: the findings of the last check of its rows.

    A file is ignored if it is missing, can't be read, or was written for other data, settings or
    versions. If no file can be written, findings are not kept.

    Args:
        origin: of the rows.
        rows: number of rows.
        settings: what findings depend on besides the rows, as plain values.
    """

    def __init__(self, origin: Origin, rows: int, settings: Mapping[str, Any]) -> None:
        self._rows = rows
        self._key = _digest(
            {
                "options": origin.options,
                "rows": rows,
                "files": [stamp(file) for file in origin.files],
                "settings": settings,
                "versions": [__version__, PIL.__version__],
            }
        )
        name = f"rows-{_digest(origin.options)[:16]}.json"
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        self._paths = (origin.folder / FOLDER / name, Path(caches, CACHE, name))

    def read(self) -> list[Finding | None]:
        """The findings that are still valid; ``None`` for rows that have to be checked."""
        for path in self._paths:
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                if content["key"] == self._key and len(content["rows"]) == self._rows:
                    return _still_valid([_finding(row) for row in content["rows"]])
            except FileNotFoundError:
                continue
            except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
                log.debug("can't be read: %s: %s", path, error)
        return [None] * self._rows

    def write(self, findings: Sequence[Finding]) -> None:
        """Write all findings atomically."""
        rows = [_plain(finding) if finding.lasting else None for finding in findings]
        text = json.dumps({"key": self._key, "rows": rows}, separators=(",", ":"))
        for path in self._paths:
            try:
                _replace(path, text)
                return
            except OSError as error:
                log.debug("can't be written: %s: %s", path, error)


def _replace(path: Path, text: str) -> None:
    """Replace the file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        try:
            file.write(text)
            file.close()
            os.replace(file.name, path)
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


def _still_valid(findings: Sequence[Finding | None]) -> list[Finding | None]:
    """The findings, with ``None`` for those with a changed file. Each file is checked once."""
    now = {path: stamp(path) for f in findings if f is not None for path, _, _ in f.files}
    return [
        None if f is None or any(now[file[0]] != file for file in f.files) else f for f in findings
    ]
