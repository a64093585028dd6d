"""Training runs' checkpoints: what is wrong with a file that is none, and where one goes on."""

from __future__ import annotations

from collections.abc import Mapping
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


def check_fits(
    checkpoint: Mapping[str, Any],
    tuning: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Check that a checkpoint is one of this run: loading takes what it finds, since the base is
    not in it.

    Args:
        checkpoint: to go on from.
        tuning: the run's own record of what its weights mean.
        shapes: of the weights that the run keeps, by name.

    Raises:
        ConfigError: its weights are others, another model's, or would not mean the same.
    """
    right = "resume with the config that it was trained with"
    if (trained := checkpoint.get("tuning")) != tuning:
        raise ConfigError(
            f"ckpt_path: the checkpoint was trained with {trained}, not {tuning}; {right}"
        )
    found = {name: tuple(value.shape) for name, value in checkpoint["state_dict"].items()}
    if found.keys() != shapes.keys():
        raise ConfigError(
            "ckpt_path: the checkpoint holds other weights than this config makes (model.lora, "
            f"and what the KL needs); {right}"
        )
    for name, shape in found.items():
        if shape != shapes[name]:
            raise ConfigError(
                f"ckpt_path: the checkpoint is another model's: of {name} it has {shape} where "
                f"{shapes[name]} belongs; {right}"
            )
