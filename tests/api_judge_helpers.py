"""An API judge over loopback, and how it is asked. No test is decided by how long anything takes:
what ends does so within ``NEVER_S`` on the busiest machine, and what is to wait for long is given a
clock that runs ahead."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from judge_server import Action, honest
from visionthink_pl.rewards import APIJudge
from visionthink_pl.rewards.judge import Case, JudgeFailure, endpoint

KEY = "sk-very-secret-0123456789"
RED, BLUE = Case("Which?", "red", "red"), Case("Which?", "red", "blue")
NEVER_S = 300.0


class FastClock:
    """The judge's clock: ``skip`` lets seconds pass at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._skipped = 0.0
        monkeypatch.setattr(endpoint, "time", SimpleNamespace(monotonic=self._now))

    def skip(self, seconds: float) -> None:
        self._skipped += seconds

    def _now(self) -> float:
        return time.monotonic() + self._skipped


def make_judge(url: str, **options: Any) -> APIJudge:
    patient = {"timeout": 60.0, "deadline": 120.0, "max_outage": 0.2, "max_retries": 3}
    return APIJudge(
        **{"model": "made", "base_url": url, "api_key_env": "JUDGE_KEY", **patient} | options
    )


def ask(judge: APIJudge, case: Case) -> int | str:
    """The verdict, or what the failure says."""
    try:
        return judge.submit(case).result(NEVER_S)
    except JudgeFailure as failure:
        return str(failure)


def then_honest(*first: Action) -> Callable[[dict[str, Any], int], Action]:
    """Some actions, then the truth."""
    return lambda request, before: first[before] if before < len(first) else honest(request, before)
