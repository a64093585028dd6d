"""A few groups in TensorBoard, W&B and MLflow: what was shown, said, and what it was worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image

from visionthink_pl.callbacks.logged_tables import log_rows
from visionthink_pl.callbacks.rollout_text import describe, wrong_answer
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.training.credit import credit
from visionthink_pl.types import Group, PromptBatch, Trajectory, View
from visionthink_pl.types.limits import NonNegativeInt, PositiveInt, limited

LOOKS = ("first", "second", "third", "fourth")


class RolloutLog(Callback):
    """Logs whole groups of training batches, and wrong answers of validations.

    TensorBoard gets images and text, W&B and MLflow a row a trajectory in a table.

    Args:
        every_n_steps: rollout steps between two entries.
        groups: how many of a batch; they are spread over it, and entry by entry go through it,
            since a source may always begin with the same kind.
        wrong_answers: how many of a validation, the first ones.
        max_side: images are shrunk to at most this many pixels in width and height. With the
            defaults a thousand steps stay under 50 MB.
    """

    @limited()
    def __init__(
        self,
        every_n_steps: PositiveInt = 10,
        groups: PositiveInt = 4,
        wrong_answers: NonNegativeInt = 8,
        max_side: PositiveInt = 160,
    ) -> None:
        self._every, self._count, self._max_side = every_n_steps, groups, max_side
        self._most_wrong = wrong_answers
        self._wrong: list[Group] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put curves that belong together into one chart each (Custom Scalars)."""
        assert isinstance(pl_module, VisionThinkModule)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_custom_scalars(layout(pl_module.parts, pl_module.kinds))

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: PromptBatch,
        batch_idx: int,
    ) -> None:
        rollouts = batch.rollouts
        if rollouts is None or rollouts.draw % self._every:
            return
        assert isinstance(pl_module, VisionThinkModule)
        trained = credit(rollouts.kept.groups, pl_module.options.advantages)
        advantages = {id(row.trajectory): row.advantage for row in trained}
        shown = spread(rollouts.groups, self._count, rollouts.draw // self._every)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                self._write(logger, shown, advantages, rollouts.draw)
            else:
                log_rows(logger, "rollouts", shown, advantages, rollouts.draw)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._wrong.clear()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: PromptBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        groups = [] if batch.rollouts is None else batch.rollouts.groups
        wrong = [group for group in groups if group.parts.get("accuracy", [None])[0] == 0]
        self._wrong += wrong[: self._most_wrong - len(self._wrong)]

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, VisionThinkModule)
        if trainer.sanity_checking:
            return
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                for index, group in enumerate(self._wrong):
                    tag, step = f"wrong_{index}", pl_module.weights_step
                    self._add_images(logger, tag, group, 0, step)
                    logger.experiment.add_text(tag, wrong_answer(group), step)
            else:
                log_rows(logger, "wrong_answers", self._wrong, {}, pl_module.weights_step)

    def _write(
        self,
        logger: TensorBoardLogger,
        groups: Sequence[Group],
        advantages: Mapping[int, float],
        step: int,
    ) -> None:
        for index, group in enumerate(groups):
            looked_twice = [i for i, each in enumerate(group.trajectories) if each.high]
            tag = f"rollout_{index}"
            self._add_images(logger, tag, group, looked_twice[0] if looked_twice else 0, step)
            logger.experiment.add_text(tag, describe(group, advantages), step)

    def _add_images(
        self, logger: TensorBoardLogger, tag: str, group: Group, index: int, step: int
    ) -> None:
        for name, view in named_views(group.trajectories[index]):
            array = self._array(view.image)
            logger.experiment.add_image(f"{tag}/{name}", array, step, dataformats="HWC")

    def _array(self, image: Image.Image) -> np.ndarray[Any, Any]:
        small = image.copy()
        small.thumbnail((self._max_side, self._max_side))
        return np.asarray(small)


def layout(parts: Sequence[str], kinds: Sequence[str]) -> dict[str, Any]:
    """Charts of TensorBoard's Custom Scalars: several curves each."""

    def lines(*names: str) -> list[Any]:
        return ["Multiline", [f"^{name}$" for name in names]]

    return {
        "reward": {
            "sum and parts": lines("train/reward", *(f"train/reward/{part}" for part in parts))
        },
        "by kind": {
            "accuracy": lines(*(f"train/accuracy/{kind}" for kind in kinds)),
            "resize rate": lines(*(f"train/resize_rate/{kind}" for kind in kinds)),
        },
        "signal": {"groups": lines("train/groups_with_signal", "train/all_correct_with_signal")},
    }


def named_views(trajectory: Trajectory) -> list[tuple[str, View]]:
    """What was shown, by look, and by number where a look has several views."""
    looks = [trajectory.first_look, *(turn.shown for turn in trajectory.turns if turn.shown)]
    return [
        (f"{_ordinal(look)}_look" + f"_{number}" * (len(views) > 1), view)
        for look, views in enumerate(looks, 1)
        for number, view in enumerate(views, 1)
    ]


def _ordinal(number: int) -> str:
    return LOOKS[number - 1] if number <= len(LOOKS) else f"{number}th"


def spread(groups: Sequence[Group], count: int, entry: int) -> list[Group]:
    """Up to ``count`` groups at equal distances, one place further with each entry."""
    count = min(count, len(groups))
    return [groups[(index * len(groups) // count + entry) % len(groups)] for index in range(count)]
