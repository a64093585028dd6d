"""One folder a run: all loggers write there, and so does whoever goes on from its checkpoints."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import count
from pathlib import Path

from jsonargparse import Namespace
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from visionthink_pl.callbacks.evaluation_progress import is_unfinished
from visionthink_pl.commands.trainer.run_config import Resumed
from visionthink_pl.commands.trainer.unfinished import is_in_use, killed
from visionthink_pl.module.checkpoints import read_checkpoint
from visionthink_pl.module.whole_files import check_whole
from visionthink_pl.types import ConfigError

VERSION = re.compile(r"version_(\d+)")
TENSORBOARD = "lightning.pytorch.loggers.TensorBoardLogger"
CSV = "lightning.pytorch.loggers.CSVLogger"
CONTINUED_CSV = "visionthink_pl.callbacks.ContinuedCSVLogger"
FILE_LOGGERS = {  # by all paths of each
    TENSORBOARD: TENSORBOARD,
    "lightning.pytorch.loggers.tensorboard.TensorBoardLogger": TENSORBOARD,
    CSV: CSV,
    "lightning.pytorch.loggers.csv_logs.CSVLogger": CSV,
    CONTINUED_CSV: CONTINUED_CSV,
    "visionthink_pl.callbacks.continued_csv.ContinuedCSVLogger": CONTINUED_CSV,
}
ADDRESS = "://"  # in a URL, where Lightning looks for itself


@contextmanager
def logs_placed(
    trainer: Namespace, verb: str, ckpt_path: str | None, settings: str
) -> Iterator[Resumed | None]:
    """Within, ``place_logs`` holds; gives what it returns. The config that a run saves has none of
    it, so that another run can be started from that."""
    given = deepcopy(trainer.logger)
    try:
        yield place_logs(trainer, verb, ckpt_path, settings)
    finally:
        trainer.logger = given


def place_logs(
    trainer: Namespace, verb: str, ckpt_path: str | None, settings: str
) -> Resumed | None:
    """Give all TensorBoard and CSV loggers without a version the same one: that of the run whose
    checkpoint is named, or else that of a logger that has one, or the next.

    ``validate``, ``test`` and ``predict`` of a run's checkpoint write into a new folder of their
    name within the run's: their figures have no step, and are none of the run's curves. One that
    was ended goes on in its folder.

    Args:
        trainer: its section of the config; changed in place.
        verb: that is run.
        ckpt_path: the checkpoint.
        settings: see ``EvaluationProgress``.

    Returns:
        The run that goes on; ``None`` where another verb is run, or without a file to go on from.
    """
    if trainer.logger in (None, True):
        _name_default(trainer, ckpt_path)
    loggers = list(_file_loggers(trainer))
    free = [logger for logger in loggers if logger.init_args.version is None]
    fixed = [logger for logger in loggers if logger.init_args.version is not None]
    roots = [_root(logger) for logger in loggers]
    run = _version_of(ckpt_path, roots)
    for logger in free:
        logger.init_args.version = _version(verb, run, fixed, roots, settings)
    if verb != "fit" or ckpt_path is None or not Path(ckpt_path).is_file():
        return None
    own = [logger for logger in fixed if _is_within(ckpt_path, _folder(logger))]
    return _going_on([*own, *(free if run is not None else ())], ckpt_path)


def newest_checkpoint(trainer: Namespace) -> str:
    """The newest checkpoint that is whole, of the newest run of the config's name that has one.

    Args:
        trainer: its section of the config.

    Raises:
        ConfigError: there is none.
    """
    loggers = list(_file_loggers(trainer)) or [_default_logger(trainer)]
    roots = dict.fromkeys(_root(logger) for logger in loggers)
    for version in sorted({v for root in roots for v in _versions(root)}, reverse=True):
        files = [f for root in roots for f in (root / f"version_{version}").glob("checkpoints/*")]
        written = [file for file in files if file.suffix == ".ckpt" and file.is_file()]
        for file in sorted(written, key=lambda file: file.stat().st_mtime_ns, reverse=True):
            try:
                check_whole(file, "ckpt_path")
            except ConfigError as damaged:
                rank_zero_warn(f"{damaged}; the one before it is taken")
            else:
                return str(file)
    where = ", ".join(f"{root}/version_*/checkpoints" for root in roots)
    raise ConfigError(
        f"ckpt_path: last: there is no whole checkpoint in {where}; leave ckpt_path out to begin a "
        "run, or name the file"
    )


def say_if_killed(trainer: Namespace) -> None:
    """Say how to go on with the newest run of the config's name, if it was killed.

    Args:
        trainer: its section of the config.
    """
    loggers = list(_file_loggers(trainer)) or [_default_logger(trainer)]
    roots = dict.fromkeys(_root(logger) for logger in loggers)
    newest = max((version for root in roots for version in _versions(root)), default=None)
    folders = [root / f"version_{newest}" for root in roots]
    if killed(folders):
        rank_zero_info(f"{folders[0]} was killed; --ckpt_path last goes on with it.")


def _default_logger(trainer: Namespace) -> Namespace:
    """Lightning's own, for a config that names none."""
    settings = Namespace(save_dir=trainer.default_root_dir or ".", name="lightning_logs")
    return Namespace(class_path=TENSORBOARD, init_args=settings)


def _name_default(trainer: Namespace, ckpt_path: str | None) -> None:
    """Name Lightning's default logger where the checkpoint lies in one of its folders."""
    logger = _default_logger(trainer)
    if _version_of(ckpt_path, [_root(logger)]) is not None:
        logger.init_args.version = None
        trainer.logger = logger


def _file_loggers(trainer: Namespace) -> Iterator[Namespace]:
    given = trainer.logger if isinstance(trainer.logger, list) else [trainer.logger]
    for logger in given:
        known = isinstance(logger, Namespace) and logger.class_path in FILE_LOGGERS
        if known and ADDRESS not in str(logger.init_args.save_dir):
            yield logger


def _root(logger: Namespace) -> Path:
    """The folder of all versions."""
    folder = os.path.expandvars(os.path.expanduser(logger.init_args.save_dir))
    return Path(folder, logger.init_args.name or "")


def _folder(logger: Namespace) -> Path:
    """The folder of its version."""
    version = logger.init_args.version
    folder = _root(logger) / (version if isinstance(version, str) else f"version_{version}")
    return folder.resolve()


def _is_within(file: str, folder: Path) -> bool:
    return Path(file).resolve().is_relative_to(folder)


def _version_of(ckpt_path: str | None, roots: Sequence[Path]) -> int | None:
    """The version whose folder holds the checkpoint."""
    if ckpt_path is None:
        return None
    resolved = {root.resolve() for root in roots}
    for folder in Path(ckpt_path).resolve().parents:
        if folder.parent in resolved and (found := VERSION.fullmatch(folder.name)):
            return int(found[1])
    return None


def _version(
    verb: str, run: int | None, fixed: Sequence[Namespace], roots: Sequence[Path], settings: str
) -> int | str:
    """The version of loggers that have none."""
    if verb != "fit" and (ended := _ended(verb, run, roots, settings)):
        return ended
    if run is not None:
        return run if verb == "fit" else _free_name(f"version_{run}/{verb}", roots)
    given: set[int | str] = {logger.init_args.version for logger in fixed}
    return given.pop() if len(given) == 1 else _next_version(roots)


def _ended(verb: str, run: int | None, roots: Sequence[Path], settings: str) -> str | None:
    """The version of an evaluation with the same settings that was ended."""
    pattern = "version_*" if run is None else f"version_{run}/{verb}*"
    for root in roots:
        for folder in root.glob(pattern):
            if is_unfinished(folder, settings) and not is_in_use(folder):
                return str(folder.relative_to(root))
    return None


def _next_version(roots: Sequence[Path]) -> int:
    return max((version for root in roots for version in _versions(root)), default=-1) + 1


def _versions(root: Path) -> list[int]:
    folders = root.iterdir() if root.is_dir() else ()
    return [int(found[1]) for folder in folders if (found := VERSION.fullmatch(folder.name))]


def _free_name(name: str, roots: Sequence[Path]) -> str:
    """The name, with a number behind it where something is there already."""
    names = (name if number == 0 else f"{name}_{number}" for number in count())
    return next(free for free in names if not any((root / free).exists() for root in roots))


def _going_on(loggers: Sequence[Namespace], ckpt_path: str) -> Resumed:
    """Have rows kept: Lightning's own CSV logger deletes those that are there."""
    for logger in loggers:
        if FILE_LOGGERS[logger.class_path] == CSV:
            logger.class_path = CONTINUED_CSV
    saved = read_checkpoint(Path(ckpt_path), "ckpt_path")
    batches = saved.get("callbacks", {}).get("RolloutCallback", {}).get("draw")
    return Resumed(saved["global_step"], batches, {_folder(logger) for logger in loggers})
