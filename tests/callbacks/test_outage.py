"""A judge that goes away: the run stops with a checkpoint, and goes on as if it had not."""

from pathlib import Path
from typing import Any

import pytest
import torch

from judge_server import Action, Fail, Say, judge_server
from trainer_helpers import ByPlace, Watch, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.data import LookCloser
from visionthink_pl.rewards import APIJudge, JudgeAccuracy
from visionthink_pl.rewards.judge import Case
from visionthink_pl.types import Group, PromptBatch, RunStopped

KEY = "sk-very-secret-0123456789"
QUESTIONS = LookCloser(4, mix={"colour": 1, "digit": 1})


def make_rewards(url: str, rate: float = 0.0) -> list[Any]:
    judge = APIJudge("made", url, api_key_env="JUDGE_KEY", max_outage=0, max_retries=0)
    return [JudgeAccuracy(judge, max_failure_rate=rate), ByPlace()]


def ids(batch: PromptBatch) -> list[list[list[int]]]:
    return [[t.ids for t in group.trajectories] for group in batch.rollouts.groups]


def fit(folder: Path, url: str, checkpoint: Path | None = None) -> Watch:
    torch.manual_seed(0)  # the adapters' start
    watch = Watch()
    rollout = make_rollout(rewards=make_rewards(url), max_new_tokens=40)
    trainer = make_trainer(folder, rollout, watch, max_epochs=2, limit_val_batches=0)
    data = make_data(QUESTIONS, QUESTIONS)
    trainer.fit(make_module(kinds=QUESTIONS.kinds), datamodule=data, ckpt_path=checkpoint)
    return watch


def test_the_run_stops_with_a_checkpoint_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with judge_server(lambda request, before: Say("Score: 1")) as server:
        whole = fit(tmp_path / "whole", server.url).batches["fit"]
        assert server.requests
    before = {*answers(whole[0]), *answers(whole[1])}
    assert len(whole) == 4 and set(answers(whole[2])) - before  # the third batch asks anew

    known = len(before)

    def gives_up(request: dict[str, Any], count: int) -> Action:
        return Fail(401, message=f"quota used up, {KEY}") if count >= known else Say("Score: 1")

    folder = tmp_path / "stopped"
    stops = pytest.raises(RunStopped, match=r"trajectories: .*quota used up, \[key\]")
    with judge_server(gives_up) as server, stops:
        fit(folder, server.url)
    checkpoint = folder / "checkpoints" / "stopped.ckpt"
    assert checkpoint.is_file()
    with judge_server(lambda request, before: Say("Score: 1")) as server:
        resumed = fit(folder, server.url, checkpoint).batches["fit"]
    assert [batch.rollouts.draw for batch in resumed] == [2, 3]
    for found, expected in zip(resumed, whole[2:], strict=True):
        assert [g.sample.id for g in found.rollouts.groups] == [
            g.sample.id for g in expected.rollouts.groups
        ]
        assert ids(found) == ids(expected)
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or KEY.encode() not in file.read_bytes(), file


def answers(batch: PromptBatch) -> list[Case]:
    """What the judge is asked about."""
    return [
        Case(group.sample.question, group.sample.answer, trajectory.answer)
        for group in groups(batch)
        for trajectory in group.trajectories
        if trajectory.answer
    ]


def groups(batch: PromptBatch) -> list[Group]:
    return batch.rollouts.groups


def test_a_few_failures_are_counted_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)

    def act(request: dict[str, Any], before: int) -> Action:
        return Fail(400) if before == 0 else Say("Score: 1")

    watch = Watch()
    with judge_server(act) as server:
        rollout = make_rollout(rewards=make_rewards(server.url, rate=1.0), max_new_tokens=40)
        trainer = make_trainer(tmp_path, rollout, watch, limit_val_batches=0)
        data = make_data(QUESTIONS, QUESTIONS)
        with pytest.warns(UserWarning, match="the judge gave no verdict on"):
            trainer.fit(make_module(kinds=QUESTIONS.kinds), datamodule=data)
    parts = [g.parts["accuracy"] for b in watch.batches["fit"] for g in groups(b)]
    lost = sum(values.count(None) for values in parts)
    assert lost >= 1
    for batch in watch.batches["fit"]:
        for group, filtered in zip(groups(batch), batch.rollouts.filtered, strict=True):
            failed = group.parts["accuracy"].count(None)
            assert len(filtered.trajectories) == len(group.trajectories) - failed
            assert group.rewards.count(None) == failed
