"""The settings that runs are compared by, for loggers that have a table of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

# Keys of a config, in the order of the table.
COMPARED = (
    "seed_everything",
    "model.pretrained",
    "model.lora.r",
    "model.optimizer.lr",
    "model.updates_per_batch",
    "model.loss",
    "model.normalisation",
    "model.advantages",
    "data.prompts_per_step",
    "rollout.group_size",
    "rollout.temperature",
    "rollout.max_new_tokens",
    "rollout.max_turns",
    "rollout.max_draws",
)
REWARDS = "rollout.rewards"
LAST = ("accuracy", "reward", "resize_rate", "visual_token_ratio")  # of a validation


class Hyperparameters(Callback):
    """Logs settings when a fit begins, and with the last validation's metrics when it ends.

    TensorBoard shows them under HPARAMS, a row a run, with the metrics as ``final/...``.

    Args:
        config: of the run.
        resumed: the run goes on; its loggers know its settings.
    """

    def __init__(self, config: Mapping[str, Any], resumed: bool) -> None:
        self._settings, self._resumed = compared(config), resumed

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for logger in trainer.loggers:
            if not self._resumed and not isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(self._settings)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        figures = trainer.callback_metrics
        last = {f"final/{n}": float(figures[f"val/{n}"]) for n in LAST if f"val/{n}" in figures}
        for logger in trainer.loggers:
            if last and isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(self._settings, last, step=trainer.global_step)


def compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings by name; a class as its name with its options, a reward under ``rewards/``."""
    settings = {key: _plain(_at(config, key)) for key in COMPARED}
    for reward in _at(config, REWARDS) or ():
        text = _plain(reward)
        settings[f"rewards/{text.partition('(')[0]}"] = text
    return {key: value for key, value in settings.items() if value is not None}


def _at(config: Mapping[str, Any], key: str) -> Any:
    found: Any = config
    for name in key.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name, found.get("init_args", {}).get(name))
    return found


def _plain(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    options = ", ".join(f"{n}={_plain(v)}" for n, v in value.get("init_args", {}).items())
    return f"{value['class_path'].rpartition('.')[2]}({options})"
