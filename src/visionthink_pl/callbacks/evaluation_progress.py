"""Evaluations that were ended go on: what each batch came to is written at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from visionthink_pl.callbacks.log_folder import log_folder
from visionthink_pl.callbacks.trajectory_files import line_of, read_records
from visionthink_pl.data import PromptDataModule
from visionthink_pl.module.evaluation import EvaluatedModule


class EvaluationProgress(Callback):
    """Writes what each batch of ``validate``, ``test`` or ``predict`` came to into a file of the
    log folder. Where that has batches of the same evaluation, they are not done again.

    Args:
        settings: all that the figures depend on, as text. With others, and with another number of
            processes, an evaluation begins anew.
    """

    def __init__(self, settings: str) -> None:
        self._settings = settings
        self._file = Path()
        self._batches: list[dict[str, Any]] = []  # what each came to, on this rank

    @property
    def rows(self) -> list[list[dict[str, Any]]]:
        """What was predicted, by batch."""
        return [batch["rows"] for batch in self._batches]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Read the batches that were done before."""
        folder = log_folder(trainer)
        self._file = _file(folder, trainer.global_rank)
        header = {"settings": self._settings, "processes": trainer.world_size}
        first, *batches = list(read_records(self._file)) if self._file.is_file() else [{}]
        self._batches = batches if first == header else []
        folder.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_suffix(".part")
        beside.write_bytes(b"".join(line_of(line) for line in [header, *self._batches]))
        beside.replace(self._file)
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, PromptDataModule)
        data.evaluated = len(self._batches)
        if self._batches:
            rank_zero_info(f"{folder}: {len(self._batches)} batches are there; it goes on.")

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count on from the batches before: the module begins to count only after a callback's
        hook at the start of an epoch."""
        assert isinstance(pl_module, EvaluatedModule)
        if batch_idx == 0 and self._batches:
            pl_module.evaluated = self._batches[-1]

    on_test_batch_start = on_validation_batch_start

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        assert isinstance(pl_module, EvaluatedModule)
        self._append(batch_idx, pl_module.evaluated)

    on_test_batch_end = on_validation_batch_end

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Sequence[Mapping[str, Any]],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._append(batch_idx, {"rows": list(outputs)})

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        if self._batches:
            done = len(self._batches)
            rank_zero_info(f"{done} batches are done; the same command goes on behind them.")

    def over(self, trainer: Trainer) -> None:
        """Remove the file: its figures are elsewhere by now. All ranks must ask."""
        trainer.strategy.barrier()
        self._file.unlink()

    def _append(self, batch_idx: int, came_to: dict[str, Any]) -> None:
        if batch_idx < len(self._batches):
            return  # an empty one, in the place of one that was done before
        self._batches.append(came_to)
        with self._file.open("ab") as out:
            out.write(line_of(came_to))


def is_unfinished(folder: Path, settings: str) -> bool:
    """Whether an evaluation with these settings was ended in a folder."""
    file = _file(folder, 0)
    first = next(iter(read_records(file)), {}) if file.is_file() else {}
    return first.get("settings") == settings


def _file(folder: Path, rank: int) -> Path:
    return folder / f"unfinished-{rank}.jsonl"
