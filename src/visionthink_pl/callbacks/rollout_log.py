"""A few trajectories in TensorBoard: what was shown, what was said, what it was worth."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image

from visionthink_pl.types import Group, PromptBatch
from visionthink_pl.types.limits import PositiveInt, limited

LOOKS = ("first", "second", "third", "fourth")


class RolloutLog(Callback):
    """Logs trajectories of training batches: their images, text and reward parts.

    Args:
        every_n_steps: rollout steps between two entries.
        trajectories: how many of a batch, each from another prompt; they are spread over it, and
            entry by entry go through it, since a source may always begin with the same kind.
        max_side: images are shrunk to at most this many pixels in width and height. With the
            defaults a thousand steps stay under 50 MB.
    """

    @limited()
    def __init__(
        self,
        every_n_steps: PositiveInt = 10,
        trajectories: PositiveInt = 4,
        max_side: PositiveInt = 160,
    ) -> None:
        self._every, self._count, self._max_side = every_n_steps, trajectories, max_side

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
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                entry = rollouts.draw // self._every
                self._write(logger, spread(rollouts.groups, self._count, entry), rollouts.draw)

    def _write(self, logger: TensorBoardLogger, groups: Sequence[Group], step: int) -> None:
        for index, group in enumerate(groups):
            shown = group.trajectories[0].images
            for name, image in zip(_names(len(group.sample.images)), shown, strict=False):
                tag, array = f"rollout_{index}/{name}", self._array(image)
                logger.experiment.add_image(tag, array, step, dataformats="HWC")
            logger.experiment.add_text(f"rollout_{index}", describe(group, 0), step)

    def _array(self, image: Image.Image) -> np.ndarray[Any, Any]:
        small = image.copy()
        small.thumbnail((self._max_side, self._max_side))
        return np.asarray(small)


def _names(images: int) -> list[str]:
    """What each picture of each look is called."""
    if images == 1:
        return [f"{look}_look" for look in LOOKS]
    return [f"{look}_look_{number}" for look in LOOKS for number in range(1, images + 1)]


def spread(groups: Sequence[Group], count: int, entry: int) -> list[Group]:
    """Up to ``count`` groups at equal distances, one place further with each entry."""
    count = min(count, len(groups))
    return [groups[(index * len(groups) // count + entry) % len(groups)] for index in range(count)]


def describe(group: Group, index: int) -> str:
    """One trajectory in Markdown: the question, each turn, and the parts of its reward."""
    trajectory, sample = group.trajectories[index], group.sample
    turns = "\n\n".join(
        f"**turn {number}**\n\n{_code(turn.text)}"
        for number, turn in enumerate(trajectory.turns, 1)
    )
    truths = "\n\n".join(map(_code, sample.answers))
    parts = [(name, values[index]) for name, values in group.parts.items()]
    rows = "\n".join(
        f"| {name} | {_number(value)} |" for name, value in _with_total(parts, group, index)
    )
    return (
        f"**{sample.id}** ({sample.kind}), ended: {trajectory.stop}\n\n"
        f"{_code(sample.question)}\n\nground truth:\n\n{truths}\n\n{turns}\n\n"
        f"| reward | value |\n|---|---|\n{rows}"
    )


def _with_total(
    parts: list[tuple[str, float | None]], group: Group, index: int
) -> Iterable[tuple[str, float | None]]:
    return [*parts, ("sum", group.rewards[index])]


def _code(text: str) -> str:
    """As a code block: TensorBoard would render tags and asterisks as markup."""
    return f"<pre>{html.escape(text)}</pre>"


def _number(value: float | None) -> str:
    return "not computed" if value is None else f"{value:.2f}"
