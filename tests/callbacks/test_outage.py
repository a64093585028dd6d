"""A judge that goes away: the run stops with a checkpoint, and goes on as if it had not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer

from judge_server import Action, Fail, Say, case_of, judge_server
from trainer_helpers import ByPlace, Watch, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import RolloutCallback
from visionthink_pl.data import LookCloser
from visionthink_pl.rewards import APIJudge, JudgeAccuracy
from visionthink_pl.rewards.judge import Case
from visionthink_pl.types import Group, PromptBatch, RunStopped, Trajectory

KEY = "sk-very-secret-0123456789"
QUESTIONS = LookCloser(4, mix={"colour": 1, "digit": 1})


def make_rewards(url: str, rate: float = 0.0) -> list[Any]:
    """Without a second attempt."""
    once = {"timeout": 300.0, "deadline": 300.0, "max_outage": 0, "max_retries": 0}
    judge = APIJudge("made", url, api_key_env="JUDGE_KEY", **once)
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


def always(request: dict[str, Any], before: int) -> Action:
    return Say("Score: 1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[PromptBatch]:
    """Four batches, two an epoch."""
    with pytest.MonkeyPatch.context() as patch, judge_server(always) as server:
        patch.setenv("JUDGE_KEY", KEY)
        return fit(tmp_path_factory.mktemp("whole"), server.url).batches["fit"]


@pytest.mark.parametrize("done", [0, 2])  # at once, and where an epoch begins
def test_the_run_stops_with_a_checkpoint_and_goes_on_where_it_was(
    tmp_path: Path, whole: list[PromptBatch], done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``done`` batches go well before the judge gives up."""
    monkeypatch.setenv("JUDGE_KEY", KEY)
    before = {case for batch in whole[:done] for case in answers(batch)}
    assert set(answers(whole[done])) - before  # the next batch asks something new

    def gives_up(request: dict[str, Any], count: int) -> Action:
        gone = count >= len(before)
        return Fail(401, message=f"quota used up, {KEY}") if gone else Say("Score: 1")

    stops = pytest.raises(RunStopped, match=r"trajectories: .*quota used up, \[key\]")
    with judge_server(gives_up) as server, stops:
        fit(tmp_path, server.url)
    with judge_server(always) as server:
        resumed = fit(tmp_path, server.url, tmp_path / "checkpoints" / "stopped.ckpt")
    found = resumed.batches["fit"]
    assert [batch.rollouts.draw for batch in found] == list(range(done, 4))
    for one, other in zip(found, whole[done:], strict=True):
        assert [g.sample.id for g in groups(one)] == [g.sample.id for g in groups(other)]
        assert ids(one) == ids(other)
    no_key_in(tmp_path)


def no_key_in(folder: Path) -> None:
    for file in folder.rglob("*"):
        assert file.is_dir() or KEY.encode() not in file.read_bytes(), file


def test_validation_within_a_fit_stops_with_a_checkpoint_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with judge_server(lambda request, before: Fail(401)) as server:
        rewards = make_rewards(server.url)
        trained = ByPlace()  # training has its own reward, and goes well
        rollout = make_rollout(rewards=[trained], max_new_tokens=40)
        trainer = make_trainer(tmp_path, rollout, SwapRewards(rollout, rewards), max_epochs=2)
        data = make_data(QUESTIONS, QUESTIONS)
        with pytest.raises(RunStopped, match="the judge gave no verdict on"):
            trainer.fit(make_module(kinds=QUESTIONS.kinds), datamodule=data)
    state = torch.load(tmp_path / "checkpoints" / "stopped.ckpt", weights_only=False)
    assert state["global_step"] == 2  # the epoch's batches count as done
    assert state["callbacks"]["RolloutCallback"] == {"draw": 2}


class SwapRewards(Callback):
    """Lets validation be scored by others."""

    def __init__(self, rollout: RolloutCallback, rewards: list[Any]) -> None:
        self._rollout, self._rewards = rollout, rewards

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._rollout.rewards = self._rewards


def answers(batch: PromptBatch) -> list[Case]:
    """What the judge is asked about."""
    return [
        case(group, trajectory)
        for group in groups(batch)
        for trajectory in group.trajectories
        if trajectory.answer
    ]


def groups(batch: PromptBatch) -> list[Group]:
    return batch.rollouts.groups


# Two ways to be left without a verdict; ``rewards/judge/test_api.py`` has the others.
@pytest.mark.parametrize("action", [Fail(401, message=f"who is {KEY}?"), Say(KEY)], ids=str)
def test_who_is_left_without_a_verdict_leaves_and_the_run_goes_on(
    tmp_path: Path,
    action: Action,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One case always meets it; the others are judged."""
    monkeypatch.setenv("JUDGE_KEY", KEY)
    unlucky: list[dict[str, str]] = []

    def act(request: dict[str, Any], before: int) -> Action:
        case = case_of(request)
        if not unlucky:
            unlucky.append(case)
        return action if case == unlucky[0] else Say("Score: 1")

    watch = Watch()
    with judge_server(act) as server:
        rollout = make_rollout(rewards=make_rewards(server.url, rate=1.0), max_new_tokens=40)
        trainer = make_trainer(tmp_path, rollout, watch, limit_val_batches=0)
        data = make_data(QUESTIONS, QUESTIONS)
        with pytest.warns(UserWarning, match="the judge gave no verdict on"):
            trainer.fit(make_module(kinds=QUESTIONS.kinds), datamodule=data)
        trainer.save_checkpoint(tmp_path / "end.ckpt")
    for batch in watch.batches["fit"]:
        for group, filtered in zip(groups(batch), batch.rollouts.filtered, strict=True):
            lost = [value is None for value in group.parts["accuracy"]]
            expected = [
                {"question": c.question, "reference_answer": c.truth, "candidate_answer": c.answer}
                == unlucky[0]
                for c in (case(group, t) for t in group.trajectories)
            ]
            assert lost == expected == [reward is None for reward in group.rewards]
            assert len(filtered.trajectories) == len(lost) - sum(lost)
            assert all(value in (0.0, 1.0, None) for value in group.parts["accuracy"])
    assert any(None in g.parts["accuracy"] for b in watch.batches["fit"] for g in groups(b))
    no_key_in(tmp_path)
    shown = capfd.readouterr()
    assert KEY not in shown.out + shown.err + caplog.text


def case(group: Group, trajectory: Trajectory) -> Case:
    return Case(group.sample.question, group.sample.answer, trajectory.answer or "")
