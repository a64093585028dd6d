"""Checkpoints that are whole or absent, whatever ends the process while one is written."""

from __future__ import annotations

import errno
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO

from visionthink_pl.types import ConfigError, DiskFull
from visionthink_pl.types.errors import FULL

PARTIAL = ".partial"
ADDRESS = "://"  # of a file that Lightning writes elsewhere


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its target, syncs it, and renames it.

    Lightning's own stages it in TMPDIR; from another file system it is then copied, and a kill
    leaves a part of it under the final name.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        if ADDRESS in str(path) or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        with whole(Path(path)) as partial, partial.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Within, write to the path that it gives: a file or a folder. It then takes the place of the
    target, unless an error has come up.

    Args:
        target: in a folder that need not exist yet.

    Raises:
        DiskFull: there is no room for it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}{PARTIAL}")
    _remove(partial)  # of a process that was killed
    try:
        yield partial
        if target.is_dir():
            shutil.rmtree(target)  # a folder can't be renamed to one that holds something
        os.replace(partial, target)
    except BaseException as error:
        _remove(partial)
        if _says_full(error):
            raise DiskFull(
                f"no space left for {target}: it was not written, and earlier ones stay"
            ) from error
        raise
    sync(target.parent)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk before going on."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def check_whole(file: Path, key: str) -> None:
    """Check a checkpoint by the checksums that torch writes into it.

    Args:
        file: that exists.
        key: of the config, or of the command line, that names it.

    Raises:
        ConfigError: a part of it is missing, or not as it was written.
    """
    try:
        damaged = _damaged(file, file.stat().st_size, file.stat().st_mtime_ns)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError) as error:
        raise ConfigError(f"{key}: {str(file)!r} can't be read as a checkpoint: {error}") from error
    if damaged is not None:
        raise ConfigError(f"{key}: {str(file)!r} is damaged: {damaged} is not as it was written")


@lru_cache  # a large one takes a minute, and is looked at more than once
def _damaged(file: Path, size: int, written_ns: int) -> str | None:
    with zipfile.ZipFile(file) as parts:
        return parts.testzip()


def _says_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is that of a full disk. torch raises another one
    on top of it, and safetensors has its words alone."""
    while error is not None:
        if getattr(error, "errno", None) in FULL or f"os error {errno.ENOSPC})" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
