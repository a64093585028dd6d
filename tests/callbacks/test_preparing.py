"""Loader threads change nothing but when the work is done."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback
from PIL import Image

from families_helpers import family_of
from helpers import make_sample
from model_helpers import embedded_policy, make_conversation, sample_of_size
from trainer_helpers import Watch, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks.preparing import Preparation
from visionthink_pl.data import LookCloser, Stream
from visionthink_pl.data.source import Position
from visionthink_pl.families import Family, load_family
from visionthink_pl.policy.features import prepared
from visionthink_pl.types import UnreadableSample, VQASample


def run(
    folder: Path,
    workers: int,
    steps: int,
    checkpoint: Path | None = None,
    train: Any = None,
    **settings: Any,
) -> tuple[list[list[list[int]]], dict[str, torch.Tensor]]:
    """The ids of each batch's trajectories, and the trained weights, of a run that stops after so
    many steps."""
    torch.manual_seed(0)
    watch = Watch()
    data = make_data(train or LookCloser(7), workers=workers, seed=3)
    trainer = make_trainer(
        folder, make_rollout(max_new_tokens=12), watch, max_epochs=-1, max_steps=steps
    )
    module = make_module(kinds=data.kinds, **settings)
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    trainer.save_checkpoint(folder / f"{workers}-{steps}.ckpt")
    groups = [batch.rollouts.groups for batch in watch.batches["fit"]]
    sampled = [[t.ids for group in batch for t in group.trajectories] for batch in groups]
    weights = {n: p.detach().clone() for n, p in module.named_parameters() if p.requires_grad}
    return sampled, weights


class Drawn(Stream):
    """Drawn samples, one after another, five an epoch."""

    kinds = LookCloser(1).kinds

    def read(
        self, seed: int | None, epoch: int, position: Position | None
    ) -> Iterator[tuple[VQASample | UnreadableSample, Position]]:
        for number in range(0 if position is None else position["number"], 5):
            yield LookCloser(50)[5 * (epoch % 9) + number], {"number": number + 1}


@pytest.mark.parametrize("train", [LookCloser(7), Drawn()], ids=["source", "stream"])
def test_a_run_with_workers_is_the_run_without_and_goes_on_as_exactly(
    tmp_path: Path, train: Any
) -> None:
    """Three batches an epoch, or two: the first run ends within the second epoch, or behind it."""
    whole, weights = run(tmp_path, 0, 6, train=train)
    first, _ = run(tmp_path, 3, 4, train=train)
    rest, found = run(tmp_path, 2, 6, tmp_path / "3-4.ckpt", train=train)
    assert first + rest == whole
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    assert len({str(batch) for batch in whole}) == 6  # they differ from one another


@pytest.mark.parametrize("sizes", [[(112, 112)], [(168, 84), (84, 140), (400, 300)]])
def test_what_is_prepared_is_what_would_be_made_later(
    checkpoint: Path, sizes: list[tuple[int, int]]
) -> None:
    family = family_of(checkpoint)
    conversation = make_conversation(family)
    for size in sizes:
        sample = sample_of_size(*size)
        row, pixels = Preparation(conversation, family)(sample)
        assert isinstance(row, VQASample) and row.views is not None
        ours, theirs = conversation.open(row), conversation.open(sample)
        assert vars(ours.trajectory) | {"images": 0} == vars(theirs.trajectory) | {"images": 0}
        shown = [*ours.trajectory.images, *ours.high]
        for image, later in zip(shown, [*theirs.trajectory.images, *theirs.high], strict=True):
            assert image.tobytes() == later.tobytes()
            (ready,) = (one for one in pixels if one.image is image)
            made = family.pixels([later])
            assert torch.equal(ready.pixels.values, made.values)
            assert torch.equal(ready.pixels.sizes, made.sizes)


def test_of_images_one_at_a_time_the_processor_makes_what_it_makes_of_all(
    checkpoint: Path,
) -> None:
    """So that a batch may mix what was prepared with what was not."""
    family = family_of(checkpoint)
    images = [sample_of_size(*size).images[0] for size in ((112, 112), (168, 84), (112, 112))]
    whole = family.pixels(images)
    parts = [prepared(image, family).pixels for image in images]
    assert torch.equal(torch.cat([part.values for part in parts]), whole.values)
    assert torch.equal(torch.cat([part.sizes for part in parts]), whole.sizes)


def test_no_image_is_processed_in_its_own_turn_that_was_prepared(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, conversation = embedded_policy(family), make_conversation(family)
    sample = sample_of_size(168, 84)
    row, pixels = Preparation(conversation, family)(sample)
    assert isinstance(row, VQASample)
    opening = conversation.open(row)
    expected = policy.features([*opening.trajectory.images, *opening.high])
    policy.forget_images()
    policy.features.offer(pixels)
    monkeypatch.setattr(type(family), "pixels", lambda *_: pytest.fail("processed again"))
    found = policy.features([*opening.trajectory.images, *opening.high])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.values_LPD, other.values_LPD)
    policy.forget_images()
    with pytest.raises(pytest.fail.Exception, match="processed again"):
        policy.features(opening.high)  # what was offered is forgotten as well


def test_pixels_that_wait_are_bounded_and_room_comes_back(family: Family) -> None:
    conversation = make_conversation(family)
    one = Preparation(conversation, family)(make_sample(size=(112, 112)))
    size = sum(image.pixels.values.nbytes for image in one.pixels)
    prepare = Preparation(conversation, family, most=2 * size)
    waiting = [prepare(make_sample(size=(112, 112))) for _ in range(4)]
    assert [len(ready.pixels) for ready in waiting] == [2, 2, 0, 0]
    assert all(ready.row.views is not None for ready in waiting)
    del waiting[0]
    assert len(prepare(make_sample(size=(112, 112))).pixels) == 2


class Threads(Callback):
    """Where the images of each batch were made, and what waits between batches."""

    def __init__(self) -> None:
        self.pixels: list[int] = []
        self.views: list[bool] = []

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        self.pixels.append(len(batch.pixels))
        self.views.append(all(sample.views is not None for sample in batch.samples))


@pytest.mark.parametrize(("workers", "pixels"), [(0, 0), (2, 4)])
def test_batches_come_prepared_and_are_let_go_of(tmp_path: Path, workers: int, pixels: int) -> None:
    """Two prompts a batch, two images each: the first look and the full one."""
    threads, rollout = Threads(), make_rollout()
    watch = Watch()
    trainer = make_trainer(tmp_path, threads, rollout, watch, limit_train_batches=2)
    trainer.fit(make_module(), datamodule=make_data(workers=workers))
    assert threads.pixels == [pixels] * 2
    assert threads.views == [workers > 0] * 2
    assert all(batch.pixels == [] for batch in watch.batches["fit"])


class Spoilt(LookCloser):
    """Faulty code in a source of somebody's own."""

    def __getitem__(self, index: int) -> VQASample:
        raise ZeroDivisionError("in a source")

    def look(self, index: int) -> Any:
        return LookCloser(len(self)).look(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_fault_of_a_source_is_told_as_it_is(tmp_path: Path, workers: int) -> None:
    with pytest.raises(ZeroDivisionError, match="in a source"):
        make_trainer(tmp_path, make_rollout()).fit(
            make_module(kinds=LookCloser(1).kinds),
            datamodule=make_data(Spoilt(8), workers=workers),
        )


def test_an_image_is_the_same_object_wherever_it_is_shown() -> None:
    """The digest of a prepared image is found by the object."""
    image = Image.new("RGB", (28, 28), "red")
    family = load_family("embedded")
    made = prepared(image, family)
    policy = embedded_policy(family)
    policy.features.offer([made])
    assert policy.features._key(image) == made.key
    assert policy.features._key(image.copy()) == made.key
