"""The callback that samples: what it refuses, what it fills in, and how it counts draws."""

from operator import attrgetter
from pathlib import Path

import pytest
import torch
from lightning import Callback
from PIL import Image

from trainer_helpers import (
    GROUP_SIZE,
    ByPlace,
    Plain,
    Watch,
    make_data,
    make_module,
    make_rollout,
    make_trainer,
)
from visionthink_pl.callbacks import AdapterCheckpoint, RolloutCallback
from visionthink_pl.images import FullView, HalfView
from visionthink_pl.rewards import FormatReward, ResizePenalty, RuleAccuracy
from visionthink_pl.rollout.prompt_files import read_prompt
from visionthink_pl.training.optimizer import AdamW
from visionthink_pl.types import ConfigError, Group, PromptBatch, VQASample
from visionthink_pl.visual_tools import ResizeImage

STAGES = ("fit", "validate", "test", "predict")

# Settings, and what the error must say.
REFUSED = [
    ({"max_turns": 1}, "rollout.max_turns: at least 2 where tools (resize_image) are offered"),
    ({"temperature": -1.0}, "rollout.temperature: above 0, not -1.0"),
    ({"top_k": -1}, "rollout.top_k: at least 0, not -1"),
    ({"top_p": 0.0}, "rollout.top_p: above 0 and at most 1, not 0.0"),
    ({"min_p": 1.1}, "rollout.min_p: from 0 to 1, not 1.1"),
    ({"prompt": "one_look"}, "'one_look' has no slot {tools}"),
    ({"prompt": "nowhere"}, "no file 'nowhere'"),
    ({"prompt_without_tools": "nowhere"}, "no file 'nowhere'"),
    ({"prompt_without_tools": "look_closer"}, "has the slot {tools}, but no tool to fill it"),
    ({"tools": [ResizeImage(), ResizeImage()]}, "rollout.tools: each needs a name of its own"),
    ({"first_view": FullView()}, "resize_image would never be offered"),
    ({"rewards": []}, "at least one reward"),
    ({"rewards": [RuleAccuracy(), RuleAccuracy()]}, "two rewards are named 'accuracy'"),
    ({"rewards": [ResizePenalty()]}, "'resize_penalty' needs a reward named 'accuracy'"),
    ({"rewards": [ResizePenalty(), RuleAccuracy()]}, "'accuracy' before it"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED)
def test_impossible_settings(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        RolloutCallback(**settings)
    assert message in str(refused.value)


REWARDS = [RuleAccuracy(), FormatReward(), ResizePenalty()]
ONE_LOOK = read_prompt("one_look")

# Settings that look much like those above, why they are fine, and what comes of them.
ALLOWED = [
    ({"group_size": 2}, "the smallest group that has an advantage", ("group_size", 2)),
    ({"max_turns": 1, "tools": []}, "enough where nothing can be called", ("options.offered", ())),
    (
        {"first_view": FullView(), "tools": []},
        "the paper's General recipe",
        ("options.offered", ()),
    ),
    (
        {"prompt": "one_look", "tools": []},
        "no slot is needed",
        ("options.text", read_prompt("one_look")),
    ),
    ({"rewards": REWARDS}, "accuracy comes first", ("rewards", REWARDS)),
]


@pytest.mark.parametrize(("settings", "why", "outcome"), ALLOWED)
def test_possible_settings(settings: dict, why: str, outcome: tuple[str, object]) -> None:
    name, value = outcome
    assert attrgetter(name)(RolloutCallback(**settings)) == value, why


def test_a_prompt_may_be_a_file_of_your_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("Look twice.\n{tools}\n", encoding="utf-8")
    assert RolloutCallback(prompt=str(file)).options.text == "Look twice.\n{tools}"


def ids(groups: list[Group]) -> list[list[list[int]]]:
    return [[t.ids for t in group.trajectories] for group in groups]


def rollouts(batch: PromptBatch) -> list[Group]:
    assert batch.rollouts is not None
    return batch.rollouts.groups


def test_two_temperatures_are_refused_before_loading(tmp_path: Path) -> None:
    module = make_module(temperature=0.7)
    with pytest.raises(ConfigError, match=r"temperature: 1.0 in RolloutCallback and 0.7"):
        make_trainer(tmp_path, make_rollout()).fit(module, datamodule=make_data())
    assert module.policy is None


def test_every_stage_fills_its_batch(tmp_path: Path) -> None:
    """Sampled G a prompt in training; one a prompt elsewhere, as decoding greedily gives it."""
    watch, rollout, module = Watch(), make_rollout(temperature=3.0), make_module(temperature=3.0)
    trainer = make_trainer(tmp_path, rollout, watch, limit_train_batches=1)
    data = make_data(validation=Plain(2))
    trainer.validate(module, datamodule=data, verbose=False)
    engine, samples = (
        rollout.sampler.engine(module),
        [data.source("validation")[i] for i in range(2)],
    )
    greedy_before = ids(engine.rollout(samples, 1, draw=7, greedy=True))
    (batch,) = watch.batches["validate"]
    assert ids(rollouts(batch)) == greedy_before

    first = next(iter(data.train_dataloader()))
    sampled = ids(engine.rollout(first.samples, GROUP_SIZE, draw=0))
    trainer.fit(module, datamodule=data)
    (batch,) = watch.batches["fit"]
    assert [len(group.trajectories) for group in rollouts(batch)] == [GROUP_SIZE] * 2
    assert ids(rollouts(batch)) == sampled
    distinct = {str(t.ids) for group in rollouts(batch) for t in group.trajectories}
    assert len(distinct) == 2 * GROUP_SIZE  # temperature 3: no two alike

    trainer.test(module, datamodule=data, verbose=False)
    trainer.predict(module, datamodule=data)
    greedy_after = ids(engine.rollout(samples, 1, draw=7, greedy=True))
    for stage in ("test", "predict"):
        (batch,) = watch.batches[stage]
        assert ids(rollouts(batch)) == greedy_after
    assert all(group.parts == {} for group in rollouts(batch))  # predictions are not scored
    for stage in ("fit", "validate", "test"):
        for group in rollouts(watch.batches[stage][-1]):
            places = [float(place) for place in range(len(group.trajectories))]
            assert group.parts == {"by_place": places} and group.rewards == places


def test_draws_are_counted_over_the_run_and_only_in_training(tmp_path: Path) -> None:
    watch, rollout, module = Watch(), make_rollout(), make_module()
    trainer = make_trainer(tmp_path, rollout, watch, max_epochs=2)
    trainer.fit(module, datamodule=make_data())  # two batches an epoch, one of validation
    assert [batch.rollouts.draw for batch in watch.batches["fit"]] == [0, 1, 2, 3]
    assert rollout.draw == 4


def whole_run(folder: Path) -> list[list[Group]]:
    """Two epochs of two batches, saved after each step; the groups of each batch."""
    saves = AdapterCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    return fit(folder, Watch(), make_rollout(temperature=3.0), saves)


def fit(
    folder: Path, watch: Watch, *callbacks: Callback, checkpoint: Path | None = None
) -> list[list[Group]]:
    settings = {"max_epochs": 2, "enable_checkpointing": checkpoint is None}
    trainer = make_trainer(folder, *callbacks, watch, **settings)
    module = make_module(optimizer=AdamW(lr=1e-2, schedule="linear"), temperature=3.0)
    trainer.fit(module, datamodule=make_data(), ckpt_path=checkpoint)
    return [rollouts(batch) for batch in watch.batches["fit"]]


@pytest.mark.equivalence
def test_a_resumed_run_samples_what_the_whole_run_would_have(tmp_path: Path) -> None:
    """From within the first epoch on; the second has another order."""
    expected = whole_run(tmp_path / "whole")
    watch, resumed = Watch(), make_rollout(temperature=3.0)
    found = fit(tmp_path, watch, resumed, checkpoint=tmp_path / "whole" / "step=1.ckpt")
    assert [batch.rollouts.draw for batch in watch.batches["fit"]] == [1, 2, 3]
    prompts = [[group.sample.id for group in groups] for groups in found]
    assert prompts == [[group.sample.id for group in groups] for groups in expected[1:]]
    assert [ids(groups) for groups in found] == [ids(groups) for groups in expected[1:]]
    assert resumed.state_dict() == {"draw": 4}


def test_the_draw_changes_what_is_sampled(tmp_path: Path) -> None:
    rollout, module = make_rollout(temperature=3.0), make_module(temperature=3.0)
    trainer = make_trainer(tmp_path, rollout)
    trainer.validate(module, datamodule=make_data(), verbose=False)  # loads the model
    engine, samples = rollout.sampler.engine(module), [Plain()[0]]
    first, again = (ids(engine.rollout(samples, 2, draw=0)) for _ in range(2))
    assert first == again != ids(engine.rollout(samples, 2, draw=1))


@pytest.mark.parametrize("stage", STAGES)
def test_without_the_callback_every_step_says_so(tmp_path: Path, stage: str) -> None:
    trainer = make_trainer(tmp_path, limit_train_batches=1)
    run = getattr(trainer, stage)
    with pytest.raises(RuntimeError, match="no rollouts: add a RolloutCallback"):
        run(make_module(), datamodule=make_data())


@pytest.mark.parametrize("stage", STAGES)
def test_unreadable_samples_are_named_and_the_others_go_on(
    tmp_path: Path, stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Watch()
    trainer = make_trainer(tmp_path, make_rollout(), watch, limit_val_batches=0)
    if stage == "validate":
        trainer = make_trainer(tmp_path, make_rollout(), watch)
    source = Plain(2, bad=[1])
    returned = getattr(trainer, stage)(make_module(), datamodule=make_data(source, source))
    assert "sample plain-1 is left out: made so" in caplog.messages
    (batch,) = watch.batches[stage]
    assert [group.sample.id for group in rollouts(batch)] == ["plain-0"]
    if stage == "predict":
        answered, unreadable = returned[0]
        assert answered["id"] == "plain-0"
        assert unreadable == {"id": "plain-1", "unreadable": "made so"}
    else:
        name = {"fit": "train", "validate": "val", "test": "test"}[stage]
        assert trainer.callback_metrics[f"{name}/unreadable"] == 1
    assert trainer.global_step == (1 if stage == "fit" else 0)


@pytest.mark.parametrize("stage", STAGES)
def test_a_batch_of_which_nothing_can_be_read_is_passed_over(
    tmp_path: Path, stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = Plain(2, bad=[0, 1])
    trainer = make_trainer(tmp_path, make_rollout())
    getattr(trainer, stage)(make_module(), datamodule=make_data(source, source))
    assert "sample plain-0 is left out: made so" in caplog.messages
    assert trainer.global_step == 0
    if stage == "fit":
        assert trainer.callback_metrics["train/unreadable"] == 2
        assert "train/reward" not in trainer.callback_metrics


class Witness(HalfView):
    """Notes the settings under which the first view is made."""

    def __init__(self) -> None:
        self.seen: set[tuple[bool, bool, bool]] = set()

    def first(self, high: Image.Image, sample: VQASample) -> Image.Image:
        autocast = torch.is_autocast_enabled("cpu")
        self.seen.add((autocast, torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
        return super().first(high, sample)


@pytest.mark.parametrize(("precision", "autocast"), [("32-true", False), ("bf16-mixed", True)])
def test_sampling_enters_the_precision_and_leaves_gradients_out(
    tmp_path: Path, precision: str, autocast: bool
) -> None:
    witness = Witness()
    rollout = make_rollout(first_view=witness, rewards=[ByPlace()])
    trainer = make_trainer(tmp_path, rollout, precision=precision, limit_train_batches=1)
    trainer.fit(make_module(), datamodule=make_data(workers=0))
    assert witness.seen == {(autocast, False, False)}
