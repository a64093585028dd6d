"""One folder a run: all loggers write there, and so does whoever goes on from its checkpoints."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from jsonargparse import Namespace

from visionthink_pl.module.checkpoints import read_checkpoint

VERSION = re.compile(r"version_(\d+)")
CONFIG = "config.yaml"
FILE_LOGGERS = ("TensorBoardLogger", "CSVLogger", "ContinuedCSVLogger")


def place_logs(trainer: Namespace, verb: str, ckpt_path: str | None) -> None:
    """Give all TensorBoard and CSV loggers without a version the same one: that of the run whose
    checkpoint is named, or else the next.

    ``validate``, ``test`` and ``predict`` of a run's checkpoint write into a folder of their name
    within the run's: their figures have no step, and are none of the run's curves.

    Args:
        trainer: its section of the config; changed in place.
        verb: that is run.
        ckpt_path: the checkpoint.
    """
    loggers = list(_file_loggers(trainer))
    if not loggers:
        return
    roots = [Path(logger.init_args.save_dir) / (logger.init_args.name or "") for logger in loggers]
    resumed = _version_of(ckpt_path, roots)
    version: int | str = _next_version(roots) if resumed is None else resumed
    if resumed is not None and verb != "fit":
        version = f"version_{resumed}/{verb}"
    for logger in loggers:
        logger.init_args.version = version
    if resumed is not None and verb == "fit" and ckpt_path is not None:
        saved = read_checkpoint(Path(ckpt_path), "ckpt_path")
        _drop_later(loggers, saved["callbacks"].get("RolloutCallback", {}).get("draw"))
        for root in roots:
            _keep_config(root / f"version_{resumed}", saved["global_step"])


def _keep_config(folder: Path, step: int) -> None:
    """Keep the config that the run had until now: the new one is written over it. Once, since a
    further process may look after that."""
    file, kept = folder / CONFIG, folder / f"config_until_step_{step}.yaml"
    if file.is_file() and not kept.exists():
        shutil.copyfile(file, kept)


def _file_loggers(trainer: Namespace) -> Iterator[Namespace]:
    given = trainer.logger if isinstance(trainer.logger, list) else [trainer.logger]
    for logger in given:
        if isinstance(logger, Namespace) and "init_args" in logger:
            name = logger.class_path.rpartition(".")[2]
            if name in FILE_LOGGERS and logger.init_args.version is None:
                yield logger


def _version_of(ckpt_path: str | None, roots: list[Path]) -> int | None:
    """The version whose folder holds the checkpoint."""
    if ckpt_path is None:
        return None
    for root in roots:
        try:
            within = Path(ckpt_path).resolve().relative_to(root.resolve())
        except ValueError:
            continue
        if within.parts and (found := VERSION.fullmatch(within.parts[0])):
            return int(found[1])
    return None


def _next_version(roots: list[Path]) -> int:
    there = [
        int(found[1])
        for root in roots
        for folder in (root.iterdir() if root.is_dir() else ())
        if (found := VERSION.fullmatch(folder.name))
    ]
    return max(there, default=-1) + 1


def _drop_later(loggers: list[Namespace], draw: int | None) -> None:
    """Let loggers drop what a run that is resumed at this draw will write again."""
    for logger in loggers:
        if logger.class_path.endswith(".TensorBoardLogger"):
            logger.init_args.purge_step = draw
        elif logger.class_path.endswith(".ContinuedCSVLogger"):
            logger.init_args.resumed_at = draw
