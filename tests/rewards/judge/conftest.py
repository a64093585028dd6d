from pathlib import Path

import pytest

from api_judge_helpers import KEY
from tiny_judge import write_tiny_judge
from visionthink_pl.rewards.judge import endpoint


@pytest.fixture(scope="session")
def tiny_judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_judge(tmp_path_factory.mktemp("judge") / "model")


@pytest.fixture
def key_and_short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    monkeypatch.setattr(endpoint, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(endpoint, "QUIET_S", 0.5)
