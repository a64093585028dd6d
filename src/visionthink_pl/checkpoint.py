"""Reading a training run's checkpoint, and saying what is wrong with a file that is none."""

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
