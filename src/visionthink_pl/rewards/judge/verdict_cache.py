"""A cache of verdicts, so that no request is paid for twice; grades and texts are kept too."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from visionthink_pl.rewards.judge.base import Case
from visionthink_pl.types import ConfigError, RunStopped

log = logging.getLogger(__name__)

BUSY_S = 30.0  # how long to wait while another process writes


class VerdictCache:
    """Verdicts by judge, prompt, arguments of the request, and case.

    Only a digest of these and the verdict are stored, no texts. Several processes on one machine
    may share an SQLite file.

    Args:
        path: of the file; ``None`` keeps verdicts in memory.
        prompt_version: of the prompt.
        request: arguments of the request without its messages: the model and all others, since any
            of them may change the reply.
        allows: whether a value is one that the judge may say.

    Raises:
        ConfigError: the file can't be opened, or is no such cache.
        RunStopped: later, if the file can't be read or written.
    """

    def __init__(
        self,
        path: str | None,
        prompt_version: str,
        request: Mapping[str, Any],
        allows: Callable[[Any], bool],
    ) -> None:
        self._path, self._allows, self._warned = path, allows, False
        self._key = [prompt_version, json.dumps(request, sort_keys=True)]
        self._lock = threading.Lock()
        try:
            if path is not None:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(
                path or ":memory:", timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS verdicts (digest TEXT PRIMARY KEY, verdict INTEGER)"
            )
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"APIJudge.cache: can't keep verdicts in {path!r}: {error}"
            ) from error

    def get(self, case: Case) -> Any:
        """The verdict on a case; ``None`` if there is none yet, or one that the judge can't have
        said: then it is asked again."""
        query = "SELECT verdict FROM verdicts WHERE digest = ?"
        rows = self._run(query, self._digest(case))
        if not rows:
            return None
        try:
            kept = json.loads(str(rows[0][0]))
        except (ValueError, RecursionError):
            kept = None
        return kept if self._allows(kept) else self._warn(rows[0][0])

    def _warn(self, kept: Any) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "the cache of verdicts %s is damaged: it holds %.40r; such cases are asked again",
                self._path,
                kept,
            )

    def put(self, case: Case, verdict: Any) -> None:
        """Store a verdict: a number or a text. A text is stored in quotes, as JSON, so that SQLite
        doesn't take it for a number."""
        written = json.dumps(verdict)
        self._run("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", self._digest(case), written)

    def _run(self, query: str, *values: str) -> list[tuple[Any]]:
        try:
            with self._lock:
                return self._file.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise RunStopped(f"the cache of verdicts can't be used: {error}") from error

    def _digest(self, case: Case) -> str:
        content = [*self._key, case.question, case.truth, case.answer, *case.other_truths]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()
