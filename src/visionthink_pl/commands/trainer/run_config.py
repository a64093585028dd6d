"""The config of a run beside its logs, and what there is to do in a folder where a run goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from lightning import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from visionthink_pl.callbacks import ContinuedCSVLogger
from visionthink_pl.callbacks.log_folder import log_folder

CONFIG = "config.yaml"


@dataclass(frozen=True)
class Resumed:
    """A run that goes on.

    Attributes:
        steps: optimizer steps of its checkpoint.
        batches: rollout batches; ``None`` where the checkpoint does not say.
        folders: where its loggers go on.
    """

    steps: int
    batches: int | None
    folders: Collection[Path]


class RunConfig(SaveConfigCallback):
    """Writes ``config.yaml`` into the log folder.

    Where a run goes on, what was logged behind its checkpoint is dropped, since it is written
    again; and where the config has changed, the old one stays as ``config_until_step_K.yaml``. Both
    only once the checkpoint has been loaded: one that is refused changes nothing.

    Args:
        resumed: the run that goes on, if it does.
        options: as Lightning's class has them.
    """

    def __init__(self, *args: Any, resumed: Resumed | None = None, **options: Any) -> None:
        super().__init__(*args, **{**options, "save_to_log_dir": False})
        self._resumed, self._folder = resumed, Path()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self._resumed is None:
            self._save(trainer, pl_module, stage)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._resumed is None:
            return
        folder = log_folder(trainer)  # all ranks must ask
        if trainer.is_global_zero:
            self._keep_config(folder, self._resumed.steps)
            for logger in trainer.loggers:
                go_on(logger, self._resumed)
        self._save(trainer, pl_module, "fit")

    def _save(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._folder = log_folder(trainer)  # all ranks must ask
        super().setup(trainer, pl_module, stage)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Lightning's own way asserts that the first logger has a folder, as MLflow's server has
        none."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.parser.save(self.config, self._folder / CONFIG, skip_unset=False, overwrite=True)

    def _keep_config(self, folder: Path, steps: int) -> None:
        file, kept = folder / CONFIG, folder / f"config_until_step_{steps}.yaml"
        if kept.exists() or not file.is_file():
            return
        now = yaml.safe_load(self.parser.dump(self.config, skip_unset=False))
        before = yaml.safe_load(file.read_text(encoding="utf-8"))
        if _without_ckpt_path(before) != _without_ckpt_path(now):
            shutil.copyfile(file, kept)


def _without_ckpt_path(config: Any) -> Any:
    """The rest of it: that is another one each time."""
    return {k: v for k, v in config.items() if k != "ckpt_path"} if config else config


def settings_of(verb: str, config: Mapping[str, Any]) -> str:
    """All that an evaluation's figures depend on.

    Args:
        verb: that is run.
        config: of it.
    """
    path = config.get("ckpt_path")
    written = os.stat(path) if path and os.path.isfile(path) else None
    file = written and [written.st_size, written.st_mtime_ns]
    return json.dumps([verb, config, file], default=str, sort_keys=True)


def go_on(logger: Logger, resumed: Resumed) -> None:
    """Drop what a run has logged behind its checkpoint, if it is logged there."""
    if logger.log_dir is None or resumed.batches is None:
        return
    if Path(logger.log_dir).resolve() not in resumed.folders:
        return
    if isinstance(logger, ContinuedCSVLogger):
        logger.drop_from(resumed.batches)
    elif isinstance(logger, TensorBoardLogger):
        # It writes the step from which all before is void when it opens its next file. The
        # validation before training stands at step 0, as the first batch does, and is not repeated.
        logger.experiment.close()
        logger.experiment.purge_step = max(resumed.batches, 1)
