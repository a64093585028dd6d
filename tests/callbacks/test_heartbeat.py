"""Which process counts as silent, and when."""

import threading
from pathlib import Path

import pytest

from trainer_helpers import make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import heartbeat
from visionthink_pl.callbacks.heartbeat import DONE, LIMIT_S, THREAD, Heard, Heartbeat


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(heartbeat, "time", made)
    return made


def test_who_gives_no_other_sign_for_too_long(clock: Clock) -> None:
    heard = Heard(own=1, count=3)
    clock.now = LIMIT_S
    assert heard.silent() is None
    heard.hear(0, "1")
    heard.hear(2, "1")
    clock.now += LIMIT_S / 2
    heard.hear(0, "2")
    heard.hear(2, "1")  # the sign that it gave before
    clock.now += LIMIT_S / 2 + 1
    assert heard.silent() == 2
    heard.hear(2, "2")
    assert heard.silent() is None


def test_who_has_ended_need_not_be_heard(clock: Clock) -> None:
    heard = Heard(own=0, count=2)
    heard.hear(1, DONE)
    clock.now = 10 * LIMIT_S
    assert heard.silent() is None


def test_one_process_has_nobody_to_look_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    started_by = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        started.append(thread.name)
        started_by(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    trainer = make_trainer(tmp_path, make_rollout(), Heartbeat())
    trainer.fit(make_module(), datamodule=make_data())
    assert started and THREAD not in started
