"""Where a run's own files go."""

from __future__ import annotations

import os
from pathlib import Path

from lightning import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger


def log_folder(trainer: Trainer) -> Path:
    """The folder of this run alone: the first logger's, or for one without folders of its own the
    one that Lightning's checkpoints go to. ``trainer.log_dir`` is W&B's folder of all runs, and
    none at all for an MLflow server. All ranks must ask.

    Args:
        trainer: with its loggers.
    """
    logger = trainer.loggers[0] if trainer.loggers else None
    if logger is None:
        folder = trainer.default_root_dir
    elif isinstance(logger, TensorBoardLogger | CSVLogger):
        folder = logger.log_dir
    else:
        version = logger.version
        run = version if isinstance(version, str) else f"version_{version}"
        folder = os.path.join(logger.save_dir or trainer.default_root_dir, str(logger.name), run)
    return Path(trainer.strategy.broadcast(folder))
