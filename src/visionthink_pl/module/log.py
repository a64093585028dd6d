"""Logging of a training batch: loggers, callback metrics, progress bar."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping

import torch
from lightning import LightningModule

GIB = 2**30
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes
SHOWN = {"reward": "train/reward", "resize": "train/resize_rate"}  # on the bar, by short names


def log_step(module: LightningModule, figures: Mapping[str, float], draw: int) -> None:
    """Log the figures of a rollout batch.

    Args:
        module: that is trained.
        figures: by their names.
        draw: of the prompts, which the loggers count by.
    """
    figures = {**figures, "memory/peak_gib": peak_memory(module.device) / GIB}
    module.log_dict(dict(figures), logger=False, batch_size=1)  # for callbacks that monitor
    _write(module, figures, draw)
    bar = {short: figures[name] for short, name in SHOWN.items() if name in figures}
    module.log_dict(bar, prog_bar=True, logger=False, batch_size=1)


def peak_memory(device: torch.device) -> int:
    """Bytes in use when they were most: on a GPU those of tensors since the last call, on a CPU
    those resident since the process began."""
    if device.type != "cuda":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT
    peak = torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    return peak


def _write(module: LightningModule, figures: Mapping[str, float], draw: int) -> None:
    """Write to the loggers directly: ``self.log`` would repeat the last value of a metric that
    this batch lacks, of a kind that is absent or a loss where no step was taken."""
    every = module.trainer.log_every_n_steps  # type: ignore[attr-defined]
    if every and (draw + 1) % every == 0:
        for logger in module.loggers:
            logger.log_metrics({"epoch": module.current_epoch, **figures}, step=draw)
            logger.save()
