"""Loaders of prompt batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from lightning import LightningDataModule
from torch.utils.data import Sampler
from torchdata.stateful_dataloader import StatefulDataLoader

from visionthink_pl.data.source import Source
from visionthink_pl.types import ConfigError, PromptBatch, UnreadableSample, VQASample


class PromptOrder(Sampler[int]):
    """An order that depends on (seed, epoch) alone, so that a resumed run goes on in it.

    Args:
        length: number of samples.
        shuffle: a permutation, another one each epoch; otherwise the order of the source.
        seed: of the permutations.
    """

    def __init__(self, length: int, shuffle: bool, seed: int) -> None:
        self._length, self._shuffle, self._seed, self.epoch = length, shuffle, seed, 0
        self._place = self._restored = {"epoch": 0, "drawn": 0}

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        """Settles nothing before the first draw: Lightning sets the epoch after ``iter``."""
        epoch, restored = self.epoch, self._restored
        order = self._permutation(epoch) if self._shuffle else range(self._length)
        start = restored["drawn"] if restored["epoch"] == epoch else 0
        self._restored = {"epoch": 0, "drawn": 0}
        for drawn, index in enumerate(order[start:], start + 1):
            self._place = {"epoch": epoch, "drawn": drawn}
            yield index

    def _permutation(self, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
        return torch.randperm(self._length, generator=generator).tolist()

    def state_dict(self) -> dict[str, int]:
        return self._place

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """The place holds for that epoch only: where it was over, the next one starts anew."""
        self.epoch, self._restored = state_dict["epoch"], state_dict

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of each epoch."""
        self.epoch = epoch


def collate_prompts(rows: Sequence[VQASample | UnreadableSample]) -> PromptBatch:
    """One draw: the samples that could be read, and the ids of those that could not."""
    return PromptBatch(
        samples=[row for row in rows if isinstance(row, VQASample)],
        unreadable=[row for row in rows if isinstance(row, UnreadableSample)],
    )


class PromptDataModule(LightningDataModule):
    """Prompts for training, validation, test and prediction.

    Args:
        train: source of training prompts.
        validation: source for validation, in order; also used by test and predict unless they
            have their own.
        test: source for ``test``.
        predict: source for ``predict``.
        prompts_per_step: B, prompts in a rollout batch. A last batch that would be smaller is
            left out of the epoch.
        validation_prompts: prompts in a batch of validation, test and predict; the remainder is
            kept.
        shuffle: shuffle the training prompts anew each epoch; ``false`` takes them in order.
        seed: of the shuffle.
    """

    def __init__(
        self,
        train: Source | None = None,
        validation: Source | None = None,
        test: Source | None = None,
        predict: Source | None = None,
        prompts_per_step: int = 16,
        validation_prompts: int = 64,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (
            ("prompts_per_step", prompts_per_step),
            ("validation_prompts", validation_prompts),
        ):
            if value < 1:
                raise ConfigError(f"data.{name}: at least 1, not {value}")
        if train is not None and len(train) < prompts_per_step:
            raise ConfigError(
                f"data.prompts_per_step: {prompts_per_step} prompts a step, but data.train has "
                f"only {len(train)}"
            )
        self._sources = {
            "train": train,
            "validation": validation,
            "test": validation if test is None else test,
            "predict": validation if predict is None else predict,
        }
        self.prompts_per_step, self.validation_prompts = prompts_per_step, validation_prompts
        self.shuffle, self.seed = shuffle, seed
        self._train_loader: StatefulDataLoader | None = None
        self._restored: dict[str, Any] | None = None
        # The loader's places before and behind the batch under way.
        self._before: dict[str, Any] | None = None
        self._now: dict[str, Any] | None = None
        self._rewound = False

    def state_dict(self) -> dict[str, Any]:
        if self._train_loader is None:
            return {}
        return {"train": self._before if self._rewound else self._train_loader.state_dict()}

    def rewind(self) -> None:
        """The training batch under way could not be used: a resumed run begins with it."""
        self._rewound = True

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Comes before the loader is made. Lightning restores loaders too, but after the
        optimizer's schedule has asked for the loader's length, and then no longer does it."""
        self._restored = state_dict.get("train")

    def source(self, stage: Literal["train", "validation", "test", "predict"]) -> Source:
        """The source of one stage.

        Raises:
            ConfigError: it has none.
        """
        source = self._sources[stage]
        if source is None:
            raise ConfigError(f"data.{stage}: a source of samples is needed here")
        return source

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind that any source can yield, each once."""
        sources = [source for source in self._sources.values() if source is not None]
        return tuple(dict.fromkeys(kind for source in sources for kind in source.kinds))

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Keep in mind where the loader stood before this batch."""
        if self._train_loader is not None and self.trainer is not None and self.trainer.training:
            self._before, self._now = self._now, self._train_loader.state_dict()
        return batch

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """Prompts are text and images: the policy moves what it computes with."""
        return batch

    def train_dataloader(self) -> StatefulDataLoader:
        """Batches of B prompts; of a resumed run, those that were left."""
        source = self.source("train")
        self._train_loader = StatefulDataLoader(
            source,
            batch_size=self.prompts_per_step,
            sampler=PromptOrder(len(source), self.shuffle, self.seed),
            drop_last=True,
            collate_fn=collate_prompts,
        )
        if self._restored is not None:
            self._train_loader.load_state_dict(self._restored)
        self._now, self._restored, self._rewound = self._restored, None, False
        return self._train_loader

    @property
    def validates(self) -> bool:
        """Whether there is anything to validate on; training can do without."""
        return self._sources["validation"] is not None

    def val_dataloader(self) -> StatefulDataLoader | list[StatefulDataLoader]:
        return self._in_order(self.source("validation")) if self.validates else []

    def test_dataloader(self) -> StatefulDataLoader:
        return self._in_order(self.source("test"))

    def predict_dataloader(self) -> StatefulDataLoader:
        return self._in_order(self.source("predict"))

    def _in_order(self, source: Source) -> StatefulDataLoader:
        return StatefulDataLoader(
            source, batch_size=self.validation_prompts, collate_fn=collate_prompts
        )
