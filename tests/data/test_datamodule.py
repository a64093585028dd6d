"""Batches of prompts: their size, their order, and that a resumed run misses none."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from torchdata.stateful_dataloader import StatefulDataLoader

from visionthink_pl.data import PromptDataModule, Source
from visionthink_pl.types import ConfigError, PromptBatch, UnreadableSample, VQASample


class Numbered(Source):
    """Samples with their index as id, some of them unreadable."""

    def __init__(
        self, length: int, bad: tuple[int, ...] = (), kinds: tuple[str, ...] = ("k",)
    ) -> None:
        self._length, self._bad, self._kinds = length, bad, kinds

    @property
    def kinds(self) -> tuple[str, ...]:
        return self._kinds

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> VQASample | UnreadableSample:
        if index in self._bad:
            return UnreadableSample(str(index), "made so")
        return VQASample(str(index), "?", "7", (Image.new("RGB", (4, 4)),), self._kinds[0])


def ids(batch: PromptBatch) -> list[int]:
    return [int(sample.id) for sample in batch.samples]


def order(loader: StatefulDataLoader, epoch: int = 0) -> list[list[int]]:
    """The ids of each batch of an epoch."""
    loader.sampler.set_epoch(epoch)  # as Lightning does
    return [ids(batch) for batch in loader]


def train_loader(
    length: int = 10, prompts: int = 3, seed: int = 0, shuffle: bool = True
) -> StatefulDataLoader:
    data = PromptDataModule(
        train=Numbered(length), prompts_per_step=prompts, shuffle=shuffle, seed=seed
    )
    return data.train_dataloader()


def test_training_drops_what_would_be_a_smaller_batch() -> None:
    batches = order(train_loader())
    assert [len(batch) for batch in batches] == [3, 3, 3]
    assert len(set(sum(batches, []))) == 9  # no prompt twice


def test_validation_keeps_the_remainder_and_the_order() -> None:
    data = PromptDataModule(validation=Numbered(10), validation_prompts=4)
    for loader in (data.val_dataloader(), data.test_dataloader(), data.predict_dataloader()):
        assert [ids(batch) for batch in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_order_depends_on_seed_and_epoch_alone() -> None:
    first = order(train_loader())
    assert first == order(train_loader())
    assert first != order(train_loader(seed=1))
    loader = train_loader()
    epochs = [order(loader, epoch) for epoch in range(4)]
    assert epochs[0] == first
    assert all(one != next_one for one, next_one in pairwise(epochs))
    assert order(loader, 0) == first


def test_neighbouring_seeds_share_no_epoch() -> None:
    shuffles = [order(train_loader(12, 12, seed), epoch) for seed in (0, 1) for epoch in range(5)]
    assert len({str(shuffle) for shuffle in shuffles}) == 10


def test_without_shuffling_each_epoch_takes_the_order_of_the_source() -> None:
    loader = train_loader(shuffle=False)
    assert [order(loader, epoch) for epoch in (0, 1)] == [[[0, 1, 2], [3, 4, 5], [6, 7, 8]]] * 2


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drawn", [1, 2])
@pytest.mark.parametrize("epoch", [0, 3])
def test_a_resumed_loader_yields_exactly_what_was_left(
    drawn: int, epoch: int, shuffle: bool
) -> None:
    whole = order(train_loader(shuffle=shuffle), epoch)
    interrupted = train_loader(shuffle=shuffle)
    interrupted.sampler.set_epoch(epoch)
    batches = iter(interrupted)
    assert [ids(next(batches)) for _ in range(drawn)] == whole[:drawn]

    resumed = train_loader(shuffle=shuffle)
    resumed.load_state_dict(interrupted.state_dict())
    assert order(resumed, epoch) == whole[drawn:]
    assert order(resumed, epoch + 1) == order(train_loader(shuffle=shuffle), epoch + 1)


def test_unreadable_rows_are_kept_apart() -> None:
    data = PromptDataModule(validation=Numbered(4, bad=(1, 3)))
    (batch,) = data.val_dataloader()
    assert ids(batch) == [0, 2]
    assert batch.unreadable == [UnreadableSample("1", "made so"), UnreadableSample("3", "made so")]
    assert batch.rollouts is None


def test_kinds_are_those_of_all_sources_each_once() -> None:
    data = PromptDataModule(
        train=Numbered(16, kinds=("a", "b")),
        validation=Numbered(2, kinds=("b", "c")),
        test=Numbered(2, kinds=("d",)),
    )
    assert data.kinds == ("a", "b", "c", "d")


def test_test_and_predict_fall_back_on_validation() -> None:
    own = PromptDataModule(validation=Numbered(1), test=Numbered(2), predict=Numbered(3))
    fallen_back = PromptDataModule(validation=Numbered(1))
    for data, lengths in ((own, (2, 3)), (fallen_back, (1, 1))):
        loaders = (data.test_dataloader(), data.predict_dataloader())
        assert tuple(sum(len(ids(batch)) for batch in loader) for loader in loaders) == lengths


def test_training_without_validation_is_allowed() -> None:
    assert PromptDataModule(train=Numbered(16)).val_dataloader() == []


def test_a_batch_that_would_never_be_full_is_refused() -> None:
    message = "4 prompts a step, but data.train has only 3 rows; set data.prompts_per_step to 3 or"
    with pytest.raises(ConfigError, match=message):
        PromptDataModule(Numbered(3), prompts_per_step=4)
    PromptDataModule(Numbered(4), prompts_per_step=4)


@pytest.mark.parametrize("name", ["train", "validation", "test", "predict"])
def test_a_stage_without_its_source(name: Any) -> None:
    data, trainer = PromptDataModule(), SimpleNamespace(world_size=1, max_steps=-1)
    needed = pytest.raises(ConfigError, match=rf"data\.{name}: a source of samples is needed")
    with needed:
        data.check(name, trainer)
    if name != "validation":  # which training can do without
        with needed:
            getattr(data, f"{name}_dataloader")()


def test_more_processes_than_prompts_in_a_batch() -> None:
    data = PromptDataModule(Numbered(8), prompts_per_step=4)
    data.check("train", SimpleNamespace(world_size=4, max_steps=-1))
    with pytest.raises(ConfigError, match=r"at least as many as processes \(5\), not 4"):
        data.check("train", SimpleNamespace(world_size=5, max_steps=-1))
