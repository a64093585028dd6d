"""Trajectories as lines of JSON: what is in them, when they are written, how they go on."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from PIL import Image

from helpers import CALL_TURN, answer_turn, make_group, make_trajectory, make_turn
from trainer_helpers import Plain, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import TrajectoryLog, trajectory_log
from visionthink_pl.callbacks.trajectory_files import TrajectoryFiles, read_records
from visionthink_pl.callbacks.trajectory_record import record
from visionthink_pl.rewards import Reward, RuleAccuracy
from visionthink_pl.training import Filter
from visionthink_pl.types import Box, Group, View


def lines(folder: Path, stage: str) -> list[dict[str, Any]]:
    (file,) = folder.rglob(f"{stage}.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


class Some(Reward):
    """The first prompt's rollouts are worth the same, the second's differ, and one has none."""

    name = "some"

    def score(self, group, parts):
        if group.sample.id.endswith(("0", "2")):
            return [1.0] * len(group.trajectories)
        return [None, *map(float, range(1, len(group.trajectories)))]


class DropLast(Filter):
    """Leaves out the last rollout."""

    def keeps(self, group: Group) -> list[bool]:
        return [*[True] * (len(group.trajectories) - 1), False]


class EndAfterOne(Callback):
    """Training ends while groups wait."""

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        trainer.should_stop = True


def test_a_record_says_what_was_shown_said_and_scored() -> None:
    turns = [make_turn(CALL_TURN), make_turn(answer_turn("7"))]
    turns[0].generated_ids, turns[0].logprobs = [5, 6], [-0.25, float("-inf")]
    turns[0].given_ids = [1, 2, 3]
    trajectory = make_trajectory("7", turns)
    trajectory.first_look = [View(Image.new("RGB", (56, 28)))]
    box = Box(0, 0, 112, 56)
    turns[0].shown = [View(Image.new("RGB", (112, 56)), "A corner:", 0, box)]
    group = make_group([trajectory])
    group.parts, group.rewards = {"accuracy": [1.0], "judge": [None]}, [None]
    line = record(group, 0, ["a.png", "b.png"], lambda token: f"<{token}>")
    assert line["images"] == [
        {"file": "a.png", "width": 56, "height": 28, "turn": 0},
        {"file": "b.png", "width": 112, "height": 56, "turn": 1, "source": 0}
        | {"box": [0, 0, 112, 56], "caption": "A corner:"},
    ]
    first = line["turns"][0]
    assert first["tokens"] == ["<5>", "<6>"] and first["logprobs"] == [-0.25, None]
    assert first["given_tokens"] == 3 and line["generated_tokens"] == trajectory.response_tokens
    assert line["parts"] == {"accuracy": 1.0, "judge": None} and line["reward"] is None
    assert line["second_look"] and line["answer"] == "7" and line["stop"] == "answered"
    json.dumps(line, allow_nan=False)


def test_each_stage_of_a_fit_is_written(tmp_path: Path) -> None:
    rollout = make_rollout(rewards=[Some()], filters=[DropLast()], group_size=4)
    trainer = make_trainer(tmp_path, rollout, TrajectoryLog(every_n_batches=1))
    trainer.fit(make_module(), make_data(shuffle=False))
    train = lines(tmp_path, "train")
    assert [line["draw"] for line in train] == [0] * 8 + [1] * 8
    assert {line["stage"] for line in train} == {"train"} and train[0]["step"] == 0
    assert [line["use"] for line in train[:8]] == [
        *("no_signal", "no_signal", "no_signal", "filtered"),
        *("unscored", "trained", "trained", "filtered"),
    ]
    for line in train:
        assert (line["advantage"] is not None) == (line["use"] == "trained")
        assert (line["logprob_difference"] is not None) == (line["use"] == "trained")
        assert list(tmp_path.rglob(line["images"][0]["file"]))
    assert {line["rollout"] for line in lines(tmp_path, "val")} == {0}
    (last,) = {line["step"] for line in lines(tmp_path, "val")}
    assert last == trainer.global_step > 0


def test_what_was_trained_on_has_the_advantage_it_was_trained_with(tmp_path: Path) -> None:
    """Rewards of 0, 1, 2: the unbiased std is 1."""
    trainer = make_trainer(tmp_path, make_rollout(), TrajectoryLog(every_n_batches=1))
    trainer.fit(make_module(), make_data())
    for line in lines(tmp_path, "train"):
        assert line["use"] == "trained"
        assert line["advantage"] == pytest.approx(line["reward"] - 1, abs=1e-4)


@pytest.mark.parametrize(("every", "draws"), [(0, []), (1, [0, 1]), (2, [0]), (3, [0])])
def test_every_nth_training_batch(every: int, draws: list[int], tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, make_rollout(), TrajectoryLog(every_n_batches=every))
    trainer.fit(make_module(), make_data())
    written = lines(tmp_path, "train") if draws else []
    assert sorted({line["draw"] for line in written}) == draws
    assert bool(list(tmp_path.rglob("train.jsonl"))) == bool(draws)
    assert lines(tmp_path, "val")


def test_groups_that_wait_are_written_once_they_are_trained_on(tmp_path: Path) -> None:
    """Of each draw of two prompts one has signal, so that two draws make a batch."""
    rollout = make_rollout(rewards=[Some()], max_draws=4, filters=[])
    trainer = make_trainer(tmp_path, rollout, TrajectoryLog(every_n_batches=1))
    trainer.fit(make_module(), make_data(shuffle=False))
    assert trainer.global_step == 1
    uses = {(line["draw"], line["sample"], line["use"]) for line in lines(tmp_path, "train")}
    assert {(0, "plain-1", "trained"), (1, "plain-3", "trained")} <= uses
    assert not any(use == "left" for *_, use in uses)


def test_what_never_was_trained_on_says_so(tmp_path: Path) -> None:
    rollout = make_rollout(rewards=[Some()], max_draws=9, filters=[])
    log = TrajectoryLog(every_n_batches=1)
    trainer = make_trainer(tmp_path, rollout, log, EndAfterOne(), max_epochs=3)
    trainer.fit(make_module(), make_data(shuffle=False))
    uses = {line["use"] for line in lines(tmp_path, "train")}
    assert "left" in uses and "trained" not in uses


@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
def test_other_verbs_are_written_and_written_anew(stage: str, tmp_path: Path) -> None:
    written = []
    for _ in range(2):
        trainer = make_trainer(tmp_path, make_rollout(), TrajectoryLog())
        data = make_data(test=Plain(), predict=Plain())
        torch.manual_seed(0)
        getattr(trainer, stage)(make_module(), datamodule=data)
        name = {"validate": "val"}.get(stage, stage)
        written.append(lines(tmp_path, name))
    assert written[0] == written[1] and written[0]
    scored = stage != "predict"
    assert all((line["reward"] is not None) == scored for line in written[0])


class Killed(Callback):
    """Ends the process's run in the middle of the second batch, as a kill would."""

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if batch_idx == 1:
            raise SystemError("killed")


def test_a_resumed_run_has_each_draw_once(tmp_path: Path) -> None:
    def fit(folder: Path, *callbacks: Callback, **options: Any) -> None:
        log = TrajectoryLog(every_n_batches=1)
        trainer = make_trainer(folder, make_rollout(), log, *callbacks, max_epochs=2)
        torch.manual_seed(0)
        trainer.fit(make_module(), make_data(shuffle=False), **options)

    fit(tmp_path / "whole")
    torch.manual_seed(0)
    with pytest.raises(SystemError):
        trainer = make_trainer(tmp_path / "cut", make_rollout(), TrajectoryLog(1), Killed())
        trainer.fit(make_module(), make_data(shuffle=False))
    (file,) = (tmp_path / "cut").rglob("train.jsonl")
    with file.open("a") as out:
        out.write('{"draw": 0, "cut o')
    fit(tmp_path / "cut")  # from the start: what is there is written again
    assert lines(tmp_path / "cut", "train") == lines(tmp_path / "whole", "train")


def test_a_full_folder_stays_full(tmp_path: Path) -> None:
    files = TrajectoryFiles(tmp_path, limit=3000, max_side=64)
    name = files.image(Image.new("RGB", (40, 40)))
    assert (tmp_path / name).suffix == ".png" and not files.full
    files.append("train", [{"draw": n, "text": "x" * 200} for n in range(20)])
    assert files.full
    assert TrajectoryFiles(tmp_path, limit=3000, max_side=64).full  # also in a later process


def test_a_full_folder_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(trajectory_log, "rank_zero_warn", said.append)
    monkeypatch.setattr(trajectory_log, "MEGABYTE", 2_000)
    log = TrajectoryLog(every_n_batches=1, max_megabytes=1)
    make_trainer(tmp_path, make_rollout(), log).fit(make_module(), make_data())
    (text,) = said
    assert "holds 1 MB; no more are written (trajectories.max_megabytes)" in text
    assert not list(tmp_path.rglob("val.jsonl"))


def test_nothing_is_written_with_no_megabytes(tmp_path: Path) -> None:
    log = TrajectoryLog(every_n_batches=1, max_megabytes=0)
    make_trainer(tmp_path, make_rollout(), log).fit(make_module(), make_data())
    assert not list(tmp_path.rglob("trajectories"))


def test_images_are_shrunk_and_written_once(tmp_path: Path) -> None:
    files = TrajectoryFiles(tmp_path, limit=10**6, max_side=300)
    large = Image.new("RGB", (900, 600), "red")
    assert files.image(large) == files.image(large.copy())
    (file,) = (tmp_path / "images").iterdir()
    assert Image.open(file).size == (300, 200) and file.suffix == ".jpg"


@pytest.mark.parametrize("text", ["\ud800 alone", 'quote " \n\t\x00', "中文", "</script>"])
def test_any_text_comes_back(text: str, tmp_path: Path) -> None:
    TrajectoryFiles(tmp_path, 10**6, 64).append("val", [{"text": text}])
    assert [line["text"] for line in read_records(tmp_path / "val.jsonl")] == [text]


def test_the_page_s_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    rollout = make_rollout(rewards=[RuleAccuracy()])
    log_folder = Path("runs/quickstart/version_0")
    trainer = make_trainer(log_folder, rollout, TrajectoryLog(), logger=False)
    trainer.validate(make_module(), datamodule=make_data())
    page = (Path(__file__).parents[2] / "docs" / "trajectories.md").read_text(encoding="utf-8")
    exec(page.split("```python\n")[1].split("```")[0], {})
    assert "plain-0 None ['blue']" in capsys.readouterr().out
