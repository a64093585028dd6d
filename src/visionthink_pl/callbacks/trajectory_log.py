"""Writes what was sampled beside the logs, for people and reports to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn

from visionthink_pl.callbacks.log_folder import log_folder
from visionthink_pl.callbacks.trajectory_files import FOLDER, TrajectoryFiles
from visionthink_pl.callbacks.trajectory_record import record, use_of
from visionthink_pl.data import PromptDataModule
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.training import own_rank
from visionthink_pl.training.credit import credit
from visionthink_pl.types import Group, PromptBatch, RolloutBatch
from visionthink_pl.types.limits import NonNegativeInt, PositiveInt, limited

MEGABYTE = 10**6


class TrajectoryLog(Callback):
    """Writes trajectories as lines of JSON into ``trajectories/`` of the log folder, by stage.

    Images stand beside them as files, each once. A resumed run drops what it will write again.

    Args:
        every_n_batches: training batches between two that are written; 0 writes none. Of
            validation, test and prediction all are.
        max_megabytes: once the folder holds so many, nothing more is written, which a warning
            says; 0 writes nothing at all.
        max_side: images are shrunk to at most this many pixels in width and height.

    Attributes:
        folder: of the run's logs; ``None`` before it is set up.
    """

    @limited("trajectories")
    def __init__(
        self,
        every_n_batches: NonNegativeInt = 10,
        max_megabytes: NonNegativeInt = 1000,
        max_side: PositiveInt = 768,
    ) -> None:
        self._every, self._limit = every_n_batches, max_megabytes * MEGABYTE
        self._max_side = max_side
        self.folder: Path | None = None
        self._files: TrajectoryFiles | None = None
        self._begun: set[str] = set()  # stages whose file this run has looked at
        self._waiting: list[RolloutBatch] = []  # whose groups wait for more draws

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.folder = log_folder(trainer)
        self._files = TrajectoryFiles(self.folder / FOLDER, self._limit, self._max_side)
        self._begun.clear()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: PromptBatch,
        batch_idx: int,
    ) -> None:
        rollouts = batch.rollouts
        assert isinstance(pl_module, VisionThinkModule) and rollouts is not None
        if self._every and rollouts.draw % self._every == 0:
            self._waiting.append(rollouts)
        if not rollouts.kept.waiting:
            self._write_settled(pl_module, rollouts.kept.groups)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What still waits will never be trained on."""
        assert isinstance(pl_module, VisionThinkModule)
        self._write_settled(pl_module, ())

    def _write_settled(self, module: VisionThinkModule, trained: Sequence[Group]) -> None:
        """Write the training batches of which is known what was trained on."""
        if not self._waiting:
            return
        first = self._waiting[0].draw
        advantages = {
            id(row.trajectory): row.advantage for row in credit(trained, module.options.advantages)
        }
        for rollouts in self._waiting:
            own = [
                {
                    "draw": rollouts.draw,
                    "use": use_of(rollouts, place, index),
                    "advantage": advantages.get(id(trajectory)),
                }
                for place, group in enumerate(rollouts.groups)
                for index, trajectory in enumerate(group.trajectories)
            ]
            self._write(module, "train", rollouts, own, lambda line: line["draw"] < first)
        self._waiting.clear()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: PromptBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        assert isinstance(pl_module, VisionThinkModule) and batch.rollouts is not None
        rollouts, stage = batch.rollouts, trainer.state.stage
        assert stage is not None
        if trainer.sanity_checking:
            return
        if trainer.state.fn == TrainerFn.FITTING:
            own: list[dict[str, Any]] = [{} for g in rollouts.groups for _ in g.trajectories]
            self._write(pl_module, "val", rollouts, own, lambda line: line["step"] < rollouts.step)
        else:
            self._write_evaluated(trainer, str(stage.dataloader_prefix), rollouts, batch_idx)

    on_test_batch_end = on_validation_batch_end

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: PromptBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Say in the predicted rows, too, which files the images are."""
        assert batch.rollouts is not None
        lines = self._write_evaluated(trainer, "predict", batch.rollouts, batch_idx)
        for row, line in zip(outputs, lines, strict=False):  # rows of bad samples come last
            row["images"] = line["images"]

    def _write_evaluated(
        self, trainer: Trainer, stage: str, rollouts: RolloutBatch, batch_idx: int
    ) -> list[dict[str, Any]]:
        """Write a batch of ``validate``, ``test`` or ``predict``. What an evaluation that was ended
        has written before stays."""
        module, data = trainer.lightning_module, trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(module, VisionThinkModule)
        before = data.evaluated if isinstance(data, PromptDataModule) else 0
        own = [{"batch": batch_idx} for group in rollouts.groups for _ in group.trajectories]

        def kept(line: dict[str, Any]) -> bool:
            return line["step"] != rollouts.step or line.get("batch", before) < before

        return self._write(module, stage, rollouts, own, kept)

    def _write(
        self,
        module: VisionThinkModule,
        stage: str,
        rollouts: RolloutBatch,
        own: Sequence[dict[str, Any]],
        kept: Callable[[dict[str, Any]], bool],
    ) -> list[dict[str, Any]]:
        """Append to the file of a stage; the records, none where the folder is full."""
        files = self._files
        assert files is not None, "setup has not run"
        file = stage if own_rank() == 0 else f"{stage}-rank{own_rank()}"
        if stage not in self._begun:
            self._begun.add(stage)
            files.keep(file, kept)
        if files.full:
            return []
        pieces = lru_cache(lambda token: module.family.decode([token]))
        pairs = [(group, i) for group in rollouts.groups for i in range(len(group.trajectories))]
        lines = []
        for (group, index), more in zip(pairs, own, strict=True):
            shown = [files.image(image) for image in group.trajectories[index].images]
            start = {"stage": stage, "step": rollouts.step}
            lines.append(start | record(group, index, shown, pieces) | more)
        files.append(file, lines)
        if files.full:
            rank_zero_warn(
                f"trajectories: {files.folder} holds {self._limit // MEGABYTE} MB; no more are "
                "written (trajectories.max_megabytes)"
            )
        return lines
