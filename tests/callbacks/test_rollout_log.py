"""Trajectories in TensorBoard: which, how large, and shown as they were written."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from lightning.pytorch.trainer.states import TrainerFn
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from helpers import CALL_TURN, answer_turn, make_group, make_trajectory, make_turn, rollout_batch
from visionthink_pl.callbacks import RolloutLog
from visionthink_pl.callbacks.rollout_log import layout, spread
from visionthink_pl.callbacks.rollout_text import LONGEST, code, describe, wrong_answer
from visionthink_pl.commands.trainer.run_checks import figures_of
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.types import Group, PromptBatch, View


def looked_twice(low: tuple[int, int] = (56, 56), high: tuple[int, int] = (112, 112)) -> Group:
    """A group of one trajectory of two turns; sizes in pixels."""
    turns = [make_turn(CALL_TURN), make_turn(answer_turn("7"))]
    turns[0].shown = [View(Image.new("RGB", high, "grey"))]
    trajectory = make_trajectory("7", turns)
    trajectory.first_look = [View(Image.new("RGB", low, "grey"))]
    group = make_group([trajectory])
    group.parts = {"accuracy": [1.0], "judge": [None], "resize_penalty": [-0.1]}
    group.rewards = [None]
    return group


def log(folder: Path, callback: RolloutLog, groups: list[Group], draw: int = 0) -> EventAccumulator:
    """What TensorBoard finds after one training batch."""
    logger = TensorBoardLogger(folder)
    trainer = SimpleNamespace(loggers=[CSVLogger(folder), logger])
    batch = PromptBatch([], rollouts=rollout_batch(groups, draw))
    callback.on_train_batch_end(trainer, module(), None, batch, 0)
    logger.experiment.flush()
    return EventAccumulator(logger.log_dir, size_guidance={"images": 0, "tensors": 0}).Reload()


def module() -> VisionThinkModule:
    """One that has not loaded anything."""
    made = VisionThinkModule("embedded", kinds=("colour", "digit"))
    made.parts = ("accuracy", "format")
    return made


def sizes(events: EventAccumulator) -> dict[str, tuple[int, int]]:
    tags = events.Tags()["images"]
    return {tag: (events.Images(tag)[0].width, events.Images(tag)[0].height) for tag in tags}


def test_both_looks_and_the_text_are_logged(tmp_path: Path) -> None:
    events = log(tmp_path, RolloutLog(), [looked_twice()])
    assert sizes(events) == {
        "rollout_0/first_look": (56, 56),
        "rollout_0/second_look": (112, 112),
    }
    (entry,) = events.Tensors("rollout_0/text_summary")
    assert "turn 2" in entry.tensor_proto.string_val[0].decode()


# An image's size, and the size at which it is logged with max_side 100.
SHRUNK = [
    ((400, 200), (100, 50), "wide: the shape is kept"),
    ((200, 400), (50, 100), "high: the shape is kept"),
    ((101, 101), (100, 100), "a pixel too many"),
    ((100, 100), (100, 100), "just fits"),
    ((30, 60), (30, 60), "never enlarged"),
]


@pytest.mark.parametrize(("size", "logged", "why"), SHRUNK)
def test_images_are_at_most_max_side(
    tmp_path: Path, size: tuple[int, int], logged: tuple[int, int], why: str
) -> None:
    group = looked_twice(size, size)
    events = log(tmp_path, RolloutLog(max_side=100), [group])
    assert set(sizes(events).values()) == {logged}, why
    assert {image.size for image in group.trajectories[0].images} == {size}  # left as they were


def test_at_most_so_many_groups(tmp_path: Path) -> None:
    events = log(tmp_path, RolloutLog(groups=2), [looked_twice() for _ in range(3)])
    assert {tag.split("/")[0] for tag in sizes(events)} == {"rollout_0", "rollout_1"}


# every_n_steps, draw, whether that draw is logged.
DRAWS = [(10, 0, True), (10, 9, False), (10, 10, True), (3, 4, False), (3, 6, True), (1, 5, True)]


@pytest.mark.parametrize(("every", "draw", "logged"), DRAWS)
def test_every_so_many_draws(tmp_path: Path, every: int, draw: int, logged: bool) -> None:
    events = log(tmp_path, RolloutLog(every_n_steps=every), [looked_twice()], draw)
    assert bool(sizes(events)) == logged
    if logged:
        assert events.Images("rollout_0/first_look")[0].step == draw


def test_without_tensorboard_nothing_is_written(tmp_path: Path) -> None:
    trainer = SimpleNamespace(loggers=[CSVLogger(tmp_path / "csv")])
    batch = PromptBatch([], rollouts=rollout_batch([looked_twice()]))
    RolloutLog().on_train_batch_end(trainer, module(), None, batch, 0)
    assert list(tmp_path.rglob("*")) == []


def test_an_id_and_a_kind_are_text() -> None:
    group = looked_twice()
    group.sample = replace(group.sample, id="*a* <b>\x07", kind="[k](u)")
    for text in (describe(group, {}), wrong_answer(group)):
        assert text.startswith("<pre>*a* &lt;b&gt;") and "([k](u))</pre>" in text
        assert "\x07" not in text


def test_description_holds_the_whole_group() -> None:
    group = looked_twice()
    other = make_trajectory("8", [make_turn(answer_turn("8"))])
    group.trajectories.append(other)
    group.parts = {"accuracy": [1.0, 0.0], "judge": [None, 0.5]}
    group.rewards = [None, 0.5]
    text = describe(group, {id(other): -0.75})
    for phrase in (
        "<pre>sample-0 (digit)</pre>",
        "<pre>Which digit?</pre>",
        "ground truth:\n\n<pre>7</pre>",
        "| rollout | looked | ended | accuracy | judge | reward | advantage |",
        "| 0 | twice | answered | 1.00 | - | - | - |",
        "| 1 | once | answered | 0.00 | 0.50 | 0.50 | -0.75 |",
        "**rollout 1**\n\nturn 1",
        "turn 2",
    ):
        assert phrase in text


def test_advantages_are_those_of_training(tmp_path: Path) -> None:
    """Rewards 0 and 1: the unbiased std is the root of 1/2."""
    group = looked_twice()
    group.trajectories.append(make_trajectory("8", [make_turn(answer_turn("8"))]))
    group.parts, group.rewards = {"accuracy": [1.0, 0.0]}, [1.0, 0.0]
    events = log(tmp_path, RolloutLog(), [group])
    (entry,) = events.Tensors("rollout_0/text_summary")
    text = entry.tensor_proto.string_val[0].decode()
    assert "| 1.00 | 1.00 | 0.71 |" in text and "| 0.00 | 0.00 | -0.71 |" in text


def test_long_turns_are_cut_and_control_characters_seen() -> None:
    assert code("a\x1b[31m\x00b\nc") == "<pre>a[U+001B][31m[U+0000]b\nc</pre>"
    assert code("\u202e\u200b\x85\ud800\t") == "<pre>[U+202E][U+200B][U+0085][U+D800]\t</pre>"
    assert len(code("x" * 9999)) < LONGEST + 40 and "[...]" in code("x" * 9999)


def validated(callback: RolloutLog, loggers: list[Logger], groups: list[Group]) -> None:
    """A validation of one batch after 7 optimizer steps."""
    policy = module()
    policy._restored_step = 7
    state = SimpleNamespace(fn=TrainerFn.VALIDATING)
    policy._trainer = trainer = SimpleNamespace(
        loggers=loggers, sanity_checking=False, state=state, global_step=0
    )
    batch = PromptBatch([], rollouts=rollout_batch(groups))
    callback.on_validation_epoch_start(trainer, policy)
    callback.on_validation_batch_end(trainer, policy, None, batch, 0)
    callback.on_validation_epoch_end(trainer, policy)


def graded(score: float | None) -> Group:
    group = looked_twice()
    group.parts, group.rewards = {"accuracy": [score]}, [score]
    return group


def test_wrong_answers_of_a_validation(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    groups = [graded(score) for score in (1.0, 0.0, None, 0.0, 0.5, 0.0)]
    validated(RolloutLog(wrong_answers=2), [logger], groups)
    logger.experiment.flush()
    events = EventAccumulator(logger.log_dir, size_guidance={"images": 0, "tensors": 0}).Reload()
    assert {tag.split("/")[0] for tag in sizes(events)} == {"wrong_0", "wrong_1"}
    (entry,) = events.Tensors("wrong_1/text_summary")
    assert entry.step == 7 and b"ground truth" in entry.tensor_proto.string_val[0]


def test_charts_name_what_is_logged() -> None:
    """Each tag is a metric that ``fit`` logs."""
    policy = module()
    names = figures_of(policy, policy.parts, policy.tools, validates=False)
    tags = [
        tag
        for category in layout(policy.parts, policy.kinds).values()
        for _, patterns in category.values()
        for tag in patterns
    ]
    assert len(tags) == 9
    for tag in tags:
        assert any(re.fullmatch(tag, name) for name in names), tag


class Wandb(WandbLogger):
    """Lightning's logger for W&B without W&B, which is not installed: its tables."""

    def __init__(self) -> None:
        self.tables: list[dict[str, Any]] = []

    def log_table(self, key: str, columns: Any = None, data: Any = None, **more: Any) -> None:
        self.tables.append({"key": key, "columns": columns, "data": data, **more})


class MLflow(MLFlowLogger):
    """The same for MLflow."""

    run_id = "run"

    def __init__(self) -> None:
        self.tables: list[tuple[Any, ...]] = []

    @property
    def experiment(self) -> Any:
        return SimpleNamespace(
            log_table=lambda run, data, artifact_file: self.tables.append(
                (run, data, artifact_file)
            )
        )


def test_other_loggers_get_rows() -> None:
    wandb, mlflow = Wandb(), MLflow()
    group = graded(0.0)
    trainer = SimpleNamespace(loggers=[wandb, mlflow])
    batch = PromptBatch([], rollouts=rollout_batch([group], draw=10))
    RolloutLog().on_train_batch_end(trainer, module(), None, batch, 0)
    (table,) = wandb.tables
    assert table["key"] == "trajectories/rollouts" and table["step"] == 10
    row = dict(zip(table["columns"], table["data"][0], strict=True))
    assert row["sample"] == "sample-0" and row["looked_twice"] and row["accuracy"] == 0.0
    assert row["advantage"] is None and "<answer>7</answer>" in row["turns"]
    ((run, data, file),) = mlflow.tables
    assert (run, file) == ("run", "trajectories/rollouts_10.json")
    assert data["sample"] == ["sample-0"] and list(data) == table["columns"]
    validated(RolloutLog(), [wandb, mlflow], [group])
    assert wandb.tables[-1]["key"] == "trajectories/wrong_answers"
    assert mlflow.tables[-1][2] == "trajectories/wrong_answers_7.json"


def test_description_shows_tags_as_text() -> None:
    text = describe(looked_twice(), {})
    assert "&lt;think&gt;Too small.&lt;/think&gt;\n&lt;tool_call&gt;" in text
    assert "&lt;answer&gt;7&lt;/answer&gt;" in text
    for tag in ("<think>", "<tool_call>", "<answer>"):
        assert tag not in text


def test_description_shows_the_question_and_truth_as_text() -> None:
    group = looked_twice()
    group.sample = replace(group.sample, question="<b>Is 1 < 2 & 3?</b>", answer="<script>")
    text = describe(group, {})
    assert "<pre>&lt;b&gt;Is 1 &lt; 2 &amp; 3?&lt;/b&gt;</pre>" in text
    assert "<pre>&lt;script&gt;</pre>" in text


def test_description_shows_all_truths() -> None:
    group = looked_twice()
    group.sample = replace(group.sample, other_answers=("seven",))
    assert "ground truth:\n\n<pre>7</pre>\n\n<pre>seven</pre>\n\n" in describe(group, {})


def test_trajectories_are_spread_over_the_batch_and_go_through_it() -> None:
    groups = [make_group([]) for _ in range(20)]
    places = [
        [next(i for i, g in enumerate(groups) if g is found) for found in spread(groups, 4, entry)]
        for entry in (0, 1, 5)
    ]
    assert places == [[0, 5, 10, 15], [1, 6, 11, 16], [5, 10, 15, 0]]
    assert len(spread(groups[:3], 4, 7)) == 3 and spread([], 4, 0) == []


def test_each_of_several_images_is_logged_for_each_look(tmp_path: Path) -> None:
    group = looked_twice()
    group.sample = replace(group.sample, images=group.sample.images * 2)
    (trajectory,) = group.trajectories
    sizes_of_looks = [
        [(20, 30), (56, 56)],
        [(40, 60), (112, 112)],
        [(9, 9)],
        [],
        [(8, 8)],
        [(7, 7)],
    ]
    looks = [[View(Image.new("RGB", size)) for size in some] for some in sizes_of_looks]
    trajectory.first_look, *shown = looks
    trajectory.turns = [replace(make_turn(CALL_TURN), shown=views) for views in shown]
    assert sizes(log(tmp_path, RolloutLog(), [group])) == {
        "rollout_0/first_look_1": (20, 30),
        "rollout_0/first_look_2": (56, 56),
        "rollout_0/second_look_1": (40, 60),
        "rollout_0/second_look_2": (112, 112),
        "rollout_0/third_look": (9, 9),
        "rollout_0/fourth_look": (8, 8),
        "rollout_0/5th_look": (7, 7),
    }
