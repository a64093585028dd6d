"""Lightning: when a checkpoint is written, the counters within one, and SLURM's signal.

``ModelCheckpoint`` decides in private methods when a checkpoint is due, and its public hooks can't
be overridden one by one. Here those methods have names that a subclass may use.
"""

from __future__ import annotations

import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy

COUNTERS = ("epoch_progress", "epoch_loop.batch_progress", "epoch_loop.val_loop.batch_progress")


class Checkpoints(ModelCheckpoint):
    """Lightning's checkpoints with hooks for when they may be written and what lies beside them."""

    def holds_back(self, trainer: Trainer) -> bool:
        """Whether no checkpoint may be written now."""
        return False

    def written(self, trainer: Trainer, folder: Path) -> None:
        """A checkpoint has been written; ``folder`` has its name without the ending."""

    def removed(self, trainer: Trainer, folder: Path) -> None:
        """A checkpoint has been removed."""

    @property
    def steps_between(self) -> int:
        """Optimizer steps between checkpoints; 0 for none by steps."""
        return self._every_n_train_steps

    @property
    def epochs_between(self) -> int:
        """Epochs between checkpoints; 0 for none by epochs."""
        return self._every_n_epochs

    @property
    def time_between(self) -> timedelta | None:
        """Time between checkpoints; ``None`` for none by the clock."""
        return self._train_time_interval

    @property
    def seconds_since(self) -> float:
        """How long ago the last one was written, or training started."""
        assert self._last_time_checked is not None  # set when training starts
        return time.monotonic() - self._last_time_checked

    def may_save(self, trainer: Trainer) -> bool:
        """Whether a checkpoint may be written now: there is none of this step yet, for one."""
        return not self._should_skip_saving_checkpoint(trainer)

    def saves_at_epoch_end(self, trainer: Trainer) -> bool:
        """Whether those by epochs come at an epoch's end, rather than behind its validation."""
        return self._should_save_on_train_epoch_end(trainer)

    def save(self, trainer: Trainer) -> None:
        """Write the checkpoints that are due, or wait for the figure that they are chosen by."""
        self._last_time_checked = time.monotonic()
        candidates = self._monitor_candidates(trainer)
        if self.monitor is not None and self.monitor not in candidates:
            self._defer_save_until_validation = True
            return
        self._save_topk_checkpoint(trainer, candidates)
        self._save_last_checkpoint(trainer, candidates)

    def _should_skip_saving_checkpoint(self, trainer: Trainer) -> bool:
        return super()._should_skip_saving_checkpoint(trainer) or self.holds_back(trainer)

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        self.written(trainer, Path(filepath).with_suffix(""))

    def _remove_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        super()._remove_checkpoint(trainer, filepath)
        self.removed(trainer, Path(filepath).with_suffix(""))


def reopen_epoch(checkpoint: dict[str, Any]) -> None:
    """Let a run go on right behind the last batch of a checkpoint that was written when an epoch
    was closed, in place.

    An epoch that ``max_steps``, ``max_time`` or a callback cut short counts as over with Lightning
    (2.6), so that resuming would skip its rest; and where a new ``max_steps`` is set, one that was
    over counts as under way, so that the next would be cut short.
    """
    loops = checkpoint["loops"]["fit_loop"]
    epoch, batch = loops["epoch_progress"], loops["epoch_loop.batch_progress"]
    if not epoch["current"]["processed"] == epoch["current"]["started"] > 0:
        return  # written within the epoch
    for counts in (epoch["total"], epoch["current"]):
        if batch["is_last_batch"]:
            counts["completed"] = counts["processed"]
        else:
            counts["processed"] = counts["completed"] = counts["started"] - 1
    if batch["is_last_batch"]:
        batch["is_last_batch"] = False
        batch["current"] = dict.fromkeys(batch["current"], 0)


def validation_due(trainer: Trainer) -> bool:
    """Whether a validation follows the training batch that has ended last; not so within one."""
    loop = trainer.fit_loop.epoch_loop
    batches, fetcher = loop.batch_progress.current, trainer.fit_loop._data_fetcher
    ended = batches.processed == batches.ready > 0  # type: ignore[attr-defined]
    return ended and fetcher is not None and loop._should_check_val_fx(fetcher)


def set_validation(checkpoint: dict[str, Any], due: bool) -> None:
    """Have Lightning begin a resumed run with the validation that follows its last batch, or not,
    in place.

    Lightning (2.6) validates only where the checkpoint was written within the step of a validation
    batch. Otherwise one that was killed would never be made up for.
    """
    loops = checkpoint["loops"]["fit_loop"]
    batches, validated = (loops[f"epoch_loop.{name}batch_progress"] for name in ("", "val_loop."))
    for counts in (validated["total"], validated["current"]):
        counts.update(ready=int(due), started=int(due), processed=0, completed=0)
    if due:  # the batch before it is done, also where the checkpoint was written as it ended
        for counts in (batches["total"], batches["current"]):
            counts["completed"] = counts["processed"]


def uncount_step(checkpoint: dict[str, Any]) -> None:
    """Where a batch was under way, take back the step of loggers that Lightning (2.6) counts for
    it when a run goes on, in place."""
    loops = checkpoint["loops"]["fit_loop"]
    counts = loops["epoch_loop.batch_progress"]["total"]
    if counts["ready"] > counts["processed"]:
        loops["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1


def uncount_batch(trainer: Trainer) -> None:
    """Take a batch that was under way out of the counts over all epochs, as Lightning (2.6) does
    only for those of the epoch. With it, a later checkpoint would be taken for one written
    elsewhere, and validations would come at other batches."""
    counts = trainer.fit_loop.epoch_loop.batch_progress.total
    counts.ready = counts.started = counts.processed  # type: ignore[attr-defined]


def forget_loader(checkpoint: dict[str, Any]) -> None:
    """Drop Lightning's own loader state, in place; the datamodule restores the loader. In a
    checkpoint written within a batch, Lightning's state already counts that batch."""
    checkpoint["loops"]["fit_loop"]["state_dict"].pop("combined_loader", None)


def requeue_signal(trainer: Trainer) -> int | None:
    """The signal at which Lightning has SLURM queue the job again; ``None`` outside of SLURM."""
    environment = trainer._accelerator_connector.cluster_environment
    if not isinstance(environment, SLURMEnvironment) or not environment.auto_requeue:
        return None
    return environment.requeue_signal or signal.SIGUSR1


def trainer_of(module: LightningModule) -> Trainer | None:
    """The trainer that a module is attached to, if any; ``module.trainer`` raises without one."""
    return module._trainer


def start_method(strategy: DDPStrategy) -> str:
    """How a strategy starts its processes: ``popen`` runs the command line once more."""
    return str(strategy._start_method)


def collective_timeout(strategy: DDPStrategy) -> timedelta | None:
    """How long its processes wait for each other; ``None`` for torch's own default."""
    return strategy._timeout
