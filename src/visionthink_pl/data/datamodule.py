"""Loaders of prompt batches."""

from __future__ import annotations

from typing import Any, Literal

from lightning import LightningDataModule, Trainer
from torchdata.stateful_dataloader import StatefulDataLoader

from visionthink_pl.data.batches import (
    BatchesInOrder,
    DrawnRows,
    Prepare,
    Ready,
    SourceRows,
    StreamBatches,
    collate_prompts,
    too_few,
)
from visionthink_pl.data.order import PromptOrder
from visionthink_pl.data.prefetching import Workers
from visionthink_pl.data.share import ALL, Share
from visionthink_pl.data.source import PromptSource, Source, Stream
from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import NonNegativeInt, PositiveInt, limited

Stage = Literal["train", "validation", "test", "predict"]


class PromptDataModule(LightningDataModule):
    """Prompts for training, validation, test and prediction.

    Args:
        train: source of training prompts, or a stream of them.
        validation: source for validation, read in order. Test and predict use it too, unless they
            have a source of their own.
        test: source for ``test``.
        predict: source for ``predict``.
        prompts_per_step: B, prompts in a rollout batch. A last batch that would be smaller is
            left out of the epoch.
        validation_prompts: prompts in a batch of validation, test and predict; a last, smaller
            batch is kept.
        shuffle: shuffle the training prompts again in each epoch; ``false`` keeps their order.
        seed: of the shuffle.
        max_bad_rows: the run stops if ``train`` has more bad rows than this: before training, when
            all rows are checked, or during training, if an image can't be decoded or the rows come
            from a stream. ``null`` checks no rows before training and never stops the run.
        workers: threads that decode, resize and process the images of the next batch while the
            policy trains on the current one; with 0 each batch is prepared when it is drawn. A
            prepared image takes up to 40 MB of memory until it is used.

    Attributes:
        prepare: what the threads do with a sample after reading it; ``RolloutCallback`` sets it.
        evaluated: batches of a validation, test or prediction that were done before: empty ones
            stand in their place.
    """

    @limited("data")
    def __init__(
        self,
        train: PromptSource | None = None,
        validation: Source | None = None,
        test: Source | None = None,
        predict: Source | None = None,
        prompts_per_step: PositiveInt = 16,
        validation_prompts: PositiveInt = 64,
        shuffle: bool = True,
        seed: int = 0,
        max_bad_rows: NonNegativeInt | None = 0,
        workers: NonNegativeInt = 2,
    ) -> None:
        super().__init__()
        if isinstance(train, Source) and len(train) < prompts_per_step:
            raise too_few(prompts_per_step, "data.train", len(train), "rows")
        self.max_bad_rows, self.workers = max_bad_rows, workers
        self.prepare: Prepare = Ready
        self.evaluated = 0
        self._workers = Workers(workers)
        self._sources: dict[Stage, PromptSource | None] = {
            "train": train,
            "validation": validation,
            "test": validation if test is None else test,
            "predict": validation if predict is None else predict,
        }
        self.prompts_per_step, self.validation_prompts = prompts_per_step, validation_prompts
        self.shuffle, self.seed = shuffle, seed
        self._train_loader: StatefulDataLoader | StreamBatches | None = None
        self._restored: dict[str, Any] | None = None
        # The loader's positions before and after the batch that is being trained on.
        self._before: dict[str, Any] | None = None
        self._after: dict[str, Any] | None = None
        self._in_use = self._drawn = False

    def state_dict(self) -> dict[str, Any]:
        if self._train_loader is None:
            return {}
        if self._in_use:
            return {"train": self._before}
        if isinstance(self._train_loader, StreamBatches) or not self._drawn:
            return {"train": self._after}  # a restored loader forgets its place before it is used
        return {"train": self._train_loader.state_dict()}

    def used(self) -> None:
        """The current batch has been trained on. A checkpoint that was written before makes a
        resumed run begin with this batch."""
        self._in_use = False

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Is called before the loader is made. The loader state that Lightning itself stores is
        removed from checkpoints (``module/checkpoints.py``)."""
        self._restored = state_dict.get("train")

    def source(self, stage: Stage) -> PromptSource:
        """The source of one stage.

        Raises:
            ConfigError: the stage has none.
        """
        source = self._sources[stage]
        if source is None:
            raise ConfigError(f"data.{stage}: a source of samples is needed here")
        return source

    @property
    def _share(self) -> Share:
        return ALL if self.trainer is None else Share.of_rank(self.trainer)

    def check(self, stage: Stage, trainer: Trainer) -> None:
        """Check a stage before any weights are loaded.

        Raises:
            ConfigError: it has no source, it would train on a stream without ``max_steps``, or
                there are more ranks than prompts in a batch.
        """
        if self.prompts_per_step < trainer.world_size:
            raise ConfigError(
                f"data.prompts_per_step: at least as many as processes ({trainer.world_size}), not "
                f"{self.prompts_per_step}"
            )
        streamed = isinstance(self.source(stage), Stream)
        if streamed and trainer.max_steps == -1:
            raise ConfigError(
                "trainer.max_steps: must be set; data.train is a stream, of which nobody knows "
                "how long an epoch is"
            )

    def setup(self, stage: str) -> None:
        if stage == "fit" and self.trainer is not None:
            self.check("train", self.trainer)

    def check_loader(self) -> None:
        """Refuse a training loader whose sampler Lightning has replaced.

        Raises:
            ConfigError: it was replaced, so that ranks would not draw their shares of a batch.
        """
        trainer = self.trainer
        if trainer is not None and trainer.train_dataloader is not self._train_loader:
            raise ConfigError(
                "trainer.use_distributed_sampler: must be false; loaders draw their rank's share"
            )

    @property
    def batches(self) -> int | None:
        """Training batches in an epoch; ``None`` for a stream."""
        source = self.source("train")
        return len(source) // self.prompts_per_step if isinstance(source, Source) else None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind of every source, each once."""
        sources = [source for source in self._sources.values() if source is not None]
        return tuple(dict.fromkeys(kind for source in sources for kind in source.kinds))

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Remember the loader's position before this batch."""
        loader = self._train_loader
        if loader is not None and self.trainer is not None and self.trainer.training:
            self._before, self._in_use, self._drawn = self._after, True, True
            if isinstance(loader, StreamBatches):
                loader.position = self._after = batch.position
            else:
                self._after = loader.state_dict()
        return batch

    def train_dataloader(self) -> StatefulDataLoader | StreamBatches:
        """Batches of B prompts; in a resumed run, the remaining ones."""
        source = self.source("train")
        if isinstance(source, Stream):
            seed = self.seed if self.shuffle else None
            size, position = self.prompts_per_step, self._restored
            loader = StreamBatches(
                source, size, seed, position, self._share, self.prepare, self._workers
            )
        else:
            loader = self._indexed(source)
        self._after, self._restored = self._restored, None
        self._in_use = self._drawn = False
        self._train_loader = loader
        return loader

    def _indexed(self, source: Any) -> StatefulDataLoader:
        size, share = self.prompts_per_step, self._share
        order = PromptOrder(len(source), self.shuffle, self.seed, size, share)
        loader = StatefulDataLoader(
            DrawnRows(source, self.prepare, self._workers, order),
            batch_size=len(share.of(range(size))),
            sampler=order,
            collate_fn=collate_prompts,
        )
        if self._restored is not None:
            loader.load_state_dict(self._restored)
        return loader

    @property
    def validates(self) -> bool:
        """Whether there is a validation source; training needs none."""
        return self._sources["validation"] is not None

    def val_dataloader(self) -> BatchesInOrder | list[BatchesInOrder]:
        return self._in_order("validation") if self.validates else []

    def test_dataloader(self) -> BatchesInOrder:
        return self._in_order("test")

    def predict_dataloader(self) -> BatchesInOrder:
        return self._in_order("predict")

    def _in_order(self, stage: Stage) -> BatchesInOrder:
        source, needs_answer = self.source(stage), stage != "predict"
        assert isinstance(source, Source)
        rows = SourceRows(source, self.prepare, self._workers)
        size, share = self.validation_prompts, self._share
        return BatchesInOrder(rows, size, needs_answer, share, self.evaluated)

    def teardown(self, stage: str) -> None:
        self._workers.stop()

    def on_exception(self, exception: BaseException) -> None:
        self._workers.stop()
