"""Logging of a training batch: loggers, callback metrics, progress bar."""

from __future__ import annotations

from collections.abc import Mapping

from lightning import LightningModule

SHOWN = {"reward": "train/reward", "resize": "train/resize_rate"}  # on the bar, by short names


def log_step(module: LightningModule, figures: Mapping[str, float], draw: int) -> None:
    """Log the figures of a rollout batch.

    Args:
        module: that is trained.
        figures: by their names.
        draw: of the prompts, which the loggers count by.
    """
    module.log_dict(dict(figures), logger=False, batch_size=1)  # for callbacks that monitor
    _write(module, figures, draw)
    bar = {short: figures[name] for short, name in SHOWN.items() if name in figures}
    module.log_dict(bar, prog_bar=True, logger=False, batch_size=1)


def _write(module: LightningModule, figures: Mapping[str, float], draw: int) -> None:
    """Write to the loggers directly: ``self.log`` would repeat the last value of a metric that
    this batch lacks, of a kind that is absent or a loss where no step was taken."""
    every = module.trainer.log_every_n_steps  # type: ignore[attr-defined]
    if every and (draw + 1) % every == 0:
        for logger in module.loggers:
            logger.log_metrics({"epoch": module.current_epoch, **figures}, step=draw)
            logger.save()
