"""Reads trained weights from a Lightning checkpoint or a PEFT adapter folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from peft import LoraConfig, PeftConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor

from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.module.checkpoints import read_checkpoint
from visionthink_pl.policy.adapter import lora_config
from visionthink_pl.policy.tuning import ADAPTER_FILE
from visionthink_pl.types import ConfigError

WEIGHTS = "adapter_model.safetensors"
PREFIX = "policy.model."  # of the policy's weights in a checkpoint
NAMED = 3  # most checkpoints that an error lists
TENSORS_OF = {True: "an adapter", False: "whole weights"}


@dataclass(frozen=True)
class Trained:
    """Trained weights.

    Attributes:
        tensors: an adapter's by PEFT's names, or whole weights by the model's names.
        adapter: PEFT's config; ``None`` for whole weights.
        step: optimizer steps taken; ``None`` for an adapter's folder, which doesn't record them.
        batches: rollout batches trained on; ``None`` likewise.
    """

    tensors: Mapping[str, Tensor]
    adapter: LoraConfig | None
    step: int | None = None
    batches: int | None = None


def read_trained(ckpt: Path, run: Run) -> Trained:
    """Read trained weights, and check that names and shapes fit the run's base.

    Args:
        ckpt: a ``.ckpt``, or the folder of an adapter.
        run: that it comes from.

    Raises:
        ConfigError: ``ckpt`` is neither, or does not fit the base.
    """
    trained = _folder(ckpt) if ckpt.is_dir() else _file(ckpt, run)
    expected = _expected_shapes(trained, run)
    found = {name: value.shape for name, value in trained.tensors.items()}
    wrong = sorted(
        name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
    )
    if wrong:
        what, name = TENSORS_OF[trained.adapter is not None], wrong[0]
        raise ConfigError(
            f"ckpt: {str(ckpt)!r} holds {what} of another model than {run.pretrained!r}: of {name} "
            f"it has {_size(found.get(name))} where {_size(expected.get(name))} belongs "
            f"(and {len(wrong) - 1} more); name the run's own config, or the right --pretrained"
        )
    return trained


def refuse_no_checkpoint(ckpt: Path) -> None:
    """Refuse a path that can't be a checkpoint; nothing is read.

    Raises:
        ConfigError: it is neither a file nor an adapter's folder.
    """
    if ckpt.is_file() or (ckpt / ADAPTER_FILE).is_file():
        return
    beside = Path(f"{ckpt}.ckpt")
    found = [beside] if beside.is_file() else list(ckpt.glob("*.ckpt"))
    hint = f"; did you mean {_one_of(found)}?" if found else ""
    what = f"no {ADAPTER_FILE} in the folder" if ckpt.is_dir() else "no file or folder"
    raise ConfigError(f"ckpt: there is {what} {str(ckpt)!r}{hint}")


def _one_of(files: Sequence[Path]) -> str:
    """Names of the newest ``NAMED`` files, and how many more there are."""
    newest = sorted(files, key=lambda file: file.stat().st_mtime)[-NAMED:]
    more = f" (or one of {len(files) - NAMED} older ones)" if len(files) > NAMED else ""
    return " or ".join(repr(str(file)) for file in reversed(newest)) + more


def _folder(folder: Path) -> Trained:
    if not (folder / WEIGHTS).is_file():
        raise ConfigError(f"ckpt: there is no {WEIGHTS} in {str(folder)!r}")
    config = PeftConfig.from_pretrained(str(folder))
    if not isinstance(config, LoraConfig):
        raise ConfigError(f"ckpt: {str(folder)!r} is a {config.peft_type}, not LoRA")
    config.base_model_name_or_path = None  # the base may have moved since
    return Trained(load_file(folder / WEIGHTS), config)


def _file(file: Path, run: Run) -> Trained:
    """Read a checkpoint's weights. The adapter's config comes from the folder beside it, which is
    refused where it holds another adapter: either of the two may be meant."""
    saved = read_checkpoint(file, "ckpt")
    tensors = {
        name.removeprefix(PREFIX): value
        for name, value in saved["state_dict"].items()
        if name.startswith(PREFIX)
    }
    progress = saved["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["ready"]
    trained = Trained(tensors, None, saved["global_step"], progress)
    if not any(".lora_" in name for name in tensors):
        return trained
    own = {n.replace(".default.", "."): v for n, v in tensors.items() if ".default." in n}
    folder = file.with_suffix("")
    if not (folder / ADAPTER_FILE).is_file():
        return replace(trained, tensors=own, adapter=_config_from(run, file))
    beside = _folder(folder)
    same = own.keys() == beside.tensors.keys()
    if not same or any(not torch.equal(own[name], beside.tensors[name]) for name in own):
        raise ConfigError(
            f"ckpt: the folder {str(folder)!r} holds another adapter than {file.name}; name the "
            "folder, or move it away"
        )
    return replace(trained, tensors=own, adapter=beside.adapter)


def _config_from(run: Run, file: Path) -> LoraConfig:
    if run.lora is None:
        raise ConfigError(
            f"config: {file.name} holds an adapter whose rank and scale are not known: there is no "
            f"folder {str(file.with_suffix(''))!r} beside it; name the config of its run"
        )
    return lora_config(run.lora, run.family)


def _expected_shapes(trained: Trained, run: Run) -> dict[str, torch.Size]:
    """Names and shapes that fit the run's base."""
    model = run.family.skeleton(run.base)
    if trained.adapter is not None:
        try:
            adapted = get_peft_model(model, replace(trained.adapter))  # which modifies it
        except ValueError as error:
            raise ConfigError(
                f"ckpt: the adapter does not fit {run.pretrained!r}: {error}"
            ) from error
        named = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        return {name: value.shape for name, value in named.items()}
    tower = f"{run.family.vision_tower}."
    with_tower = any(name.startswith(tower) for name in trained.tensors)
    return {
        name: value.shape
        for name, value in model.named_parameters()
        if with_tower or not name.startswith(tower)
    }


def _size(shape: torch.Size | None) -> str:
    return "nothing" if shape is None else " x ".join(map(str, shape))
