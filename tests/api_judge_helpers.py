"""An API judge that waits for seconds at most, and how it is asked."""

import time
from collections.abc import Callable
from typing import Any

from judge_server import Action, honest
from visionthink_pl.rewards import APIJudge
from visionthink_pl.rewards.judge import Case, JudgeFailure

KEY = "sk-very-secret-0123456789"
RED, BLUE = Case("Which?", "red", "red"), Case("Which?", "red", "blue")
SLACK_S = 2.0  # what a busy machine may add


def make_judge(url: str, **options: Any) -> APIJudge:
    short = {"timeout": 2.0, "deadline": 8.0, "max_outage": 1.0, "max_retries": 3}
    return APIJudge(
        **{"model": "made", "base_url": url, "api_key_env": "JUDGE_KEY", **short} | options
    )


def ask(judge: APIJudge, case: Case, within: float = 8.0) -> int | str:
    """The verdict, or what the failure says; in time."""
    began = time.monotonic()
    future = judge.submit(case)
    try:
        return future.result(within + 5)
    except JudgeFailure as failure:
        return str(failure)
    finally:
        assert time.monotonic() - began < within + SLACK_S


def then_honest(*first: Action) -> Callable[[dict[str, Any], int], Action]:
    """Some actions, then the truth."""
    return lambda request, before: first[before] if before < len(first) else honest(request, before)
