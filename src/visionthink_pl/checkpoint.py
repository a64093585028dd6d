"""Training runs' checkpoints: what is wrong with a file that is none, and where one goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from visionthink_pl.types import ConfigError

NEEDED = ("state_dict", "global_step", "loops")


def read_checkpoint(file: Path, key: str) -> dict[str, Any]:
    """The checkpoint in a file; its tensors are read when they are used.

    Args:
        file: written by Lightning.
        key: of the config, or of the command line, that names it.

    Raises:
        ConfigError: it can't be read, or is something else.
    """
    try:
        saved = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # whatever unpickling stumbles over in a file of any kind
        why = f"{type(error).__name__}: {error}".split("\n")[0]
        raise ConfigError(f"{key}: {str(file)!r} can't be read as a checkpoint: {why}") from error
    if not isinstance(saved, dict) or not set(NEEDED) <= saved.keys():
        raise ConfigError(
            f"{key}: {str(file)!r} is no checkpoint of a training run: it lacks "
            f"{', '.join(NEEDED[:-1])} or {NEEDED[-1]}"
        )
    return saved


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
