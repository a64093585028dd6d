"""Early checks of a run: monitored metrics that are never logged, folders that can't be written,
missing packages."""

from __future__ import annotations

import difflib
import os
import re
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint

from visionthink_pl.commands.parsing.error_messages import CLASS_PROBLEM, one_line
from visionthink_pl.commands.parsing.versions import extra_of, install
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.training.metrics import ACCURACY, evaluation_names, train_names
from visionthink_pl.types import ConfigError

STEP_METRICS = (
    "loss/policy",
    "loss/clip_fraction",
    "loss/grad_norm",
    "lr",
    "train/logprob_difference_mean",
    "train/logprob_difference_max",
    "train/unreadable",
    "train/waiting_groups",
    "train/surplus_groups",
    "time/rollout_s",
    "time/scoring_s",
    "time/sampled_tokens_per_s",
    "memory/peak_gib",
    "time/update_s",
    "rollout_step",
    "optimizer_step",
)
KNOWN = ("lightning.", "visionthink_pl.")  # packages whose callbacks log no metrics of their own
PACKAGE = "visionthink_pl."
TWICE = re.compile(r"more than one stateful callback of type `(?P<name>\w+)`")  # Lightning's
GIVEN_CLASS = re.compile(r"Problem with given class_path '(?P<path>[\w.]+)'")
ADDRESS = "://"  # in a URL, which fsspec writes to
ALIKE = 0.5  # least similarity of a suggested name, from 0 to 1


def figures_of(
    module: VisionThinkModule, parts: Sequence[str], tools: Sequence[str], validates: bool
) -> list[str]:
    """Names of all metrics that ``fit`` logs.

    Args:
        module: that is trained.
        parts: names of the rewards.
        tools: names of those that may be offered.
        validates: whether there is validation.
    """
    loss = module.options.loss
    names = [*train_names(module.kinds, parts, tools), *STEP_METRICS]
    names += ["loss/kl" if loss.kl_coefficient > 0 else "train/kl"]
    names += ["loss/entropy" if loss.entropy_coefficient > 0 else "train/entropy"]
    if validates:
        names += [*evaluation_names("val", module.kinds, parts, tools), "val/unreadable"]
    if ACCURACY not in parts:
        names = [name for name in names if ACCURACY not in name.split("/")]
    return names


def check_monitored(callbacks: Sequence[Callback], figures: Sequence[str]) -> None:
    """Refuse to monitor a metric that is never logged. Nothing is checked where a user's own
    callbacks may log more.

    Raises:
        ConfigError: a metric is not among ``figures``; the message names the nearest.
    """
    if not all(type(callback).__module__.startswith(KNOWN) for callback in callbacks):
        return
    for callback in callbacks:
        if not isinstance(callback, EarlyStopping | ModelCheckpoint) or callback.monitor is None:
            continue
        if callback.monitor in figures or callback.monitor in ("reward", "resize"):
            continue
        flat = {name.replace("/", "_"): name for name in figures}
        wanted = callback.monitor.replace("/", "_")
        near = [flat[name] for name in difflib.get_close_matches(wanted, flat, cutoff=ALIKE)]
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(
            f"trainer.callbacks: {type(callback).__name__}.monitor: {callback.monitor!r} is never "
            f"logged by this run{hint} (docs/metrics.md lists all metrics)"
        )


def check_folders(trainer: Trainer) -> None:
    """Refuse folders that can't be written; nothing is written here.

    Raises:
        ConfigError: one can't; the message gives its key and the reason.
    """
    for key, folder in _folders(trainer):
        if ADDRESS in folder:
            continue
        path = Path(os.path.abspath(folder))
        above = next(p for p in (path, *path.parents) if os.path.lexists(p))
        if not above.is_dir():
            raise ConfigError(f"{key}: {folder!r} can't be a folder: {str(above)!r} is a file")
        if not os.access(above, os.W_OK | os.X_OK):
            raise ConfigError(
                f"{key}: {folder!r} can't be written: no permission for {str(above)!r}"
            )


def _folders(trainer: Trainer) -> Iterator[tuple[str, str]]:
    """Pairs of key and folder, for all folders that a run writes."""
    for logger in trainer.loggers:
        name = type(logger).__name__
        if logger.save_dir is not None:
            yield f"trainer.logger: {name}.save_dir", str(logger.save_dir)
        if logger.log_dir is not None:
            yield f"trainer.logger: {name}", str(logger.log_dir)
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is not None:
            yield f"trainer.callbacks: {type(callback).__name__}.dirpath", str(callback.dirpath)
    if not trainer.loggers:
        yield "trainer.default_root_dir", str(trainer.default_root_dir)


def check_callbacks(trainer: Trainer) -> None:
    """Refuse callbacks that would fail only after the validation before training.

    Raises:
        ConfigError: one needs a logger, and there is none.
    """
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    if not trainer.loggers and any(isinstance(c, LearningRateMonitor) for c in callbacks):
        raise ConfigError(
            "trainer.callbacks: LearningRateMonitor writes to a logger, and trainer.logger is false"
        )


def missing_package(error: BaseException, config: Any) -> ConfigError | None:
    """The error for a class that could not be built: a package is missing, or a class of another
    package refused its options; ``None`` for any other reason.

    Args:
        error: raised while classes were built.
        config: nested dicts and lists, as parsed.
    """
    chain = list(_causes(error))
    missing = next((e for e in chain if isinstance(e, ImportError)), None)
    if missing is None:
        return _refused(str(error), config)
    named = [m["path"] for e in chain if (m := GIVEN_CLASS.search(str(e)))]
    files = {Path(frame.filename).stem for frame in traceback.extract_tb(missing.__traceback__)}
    for key, path in _class_paths(config, ""):
        if path in named or path.rpartition(".")[0].rpartition(".")[2] in files:
            extra = extra_of(missing.name or "")
            wanted = f" (pip install {missing.name})" if missing.name else ""
            wanted = f"; run: {install(extra)}" if extra else wanted
            return ConfigError(
                f"{key}: {path.rpartition('.')[2]} needs a package that is not installed: "
                f"{one_line(str(missing))}{wanted}"
            )
    return None


def _refused(message: str, config: Any) -> ConfigError | None:
    """The error for another package's class, of which the parser passes on only the message. Our
    own classes raise ``ConfigError`` for user mistakes; anything else they raise is a bug."""
    if twice := TWICE.search(message):
        return ConfigError(
            f"trainer.callbacks: two {twice['name']} that a checkpoint can't tell apart; "
            "leave one out, or change the options of the one that the config lists"
        )
    problem = CLASS_PROBLEM.search(message)
    if problem is None or problem["path"].startswith(PACKAGE):
        return None
    keys = [key for key, path in _class_paths(config, "") if path == problem["path"]]
    name = problem["path"].rpartition(".")[2]
    return ConfigError(f"{' or '.join(keys)}: {name}: {one_line(problem['why'])}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _class_paths(config: Any, key: str) -> Iterator[tuple[str, str]]:
    """Pairs of dotted key and ``class_path``, for each class that the config names."""
    if isinstance(config, dict):
        if isinstance(config.get("class_path"), str):
            yield key, config["class_path"]
        for name, value in config.items():
            yield from _class_paths(value, f"{key}.{name}" if key else name)
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from _class_paths(value, f"{key}[{index}]")
