"""Finds and reads the config of the run that a checkpoint comes from."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from omegaconf import OmegaConf

from visionthink_pl.commands.export.training_run import Run
from visionthink_pl.commands.verb import built, parsed
from visionthink_pl.families import Family, load_family
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import ConfigError

CONFIG = "config.yaml"
PROMPT_KEYS = ("prompt", "prompt_without_tools")


def find_run(ckpt: Path, config: str | None, pretrained: str | None) -> Run:
    """Find the run that a checkpoint comes from.

    Args:
        ckpt: the checkpoint; its config is looked for in it, where it is a folder, beside it and in
            the folder above. A prompt's file that lies beside the config need not be named in full.
        config: path of the run's config, in place of that search.
        pretrained: the base; by default the config's.

    Raises:
        ConfigError: neither config nor base is known, or the config can't be read.
    """
    file = _config_file(ckpt) if config is None else Path(config)
    if file is None:
        if pretrained is None:
            raise ConfigError(
                f"config: there is no {CONFIG} beside {str(ckpt)!r} nor in the folder above; name "
                "the run's with --config, or the base model with --pretrained"
            )
        return Run(None, {}, pretrained, load_family(pretrained), ConversationOptions())
    read = _read(file)
    model = read["model"]
    pretrained = pretrained or model.get("pretrained", "embedded")
    rollout = _prompts_found(conversation_keys(read["rollout"]), file.parent)
    family, options = _build(model.get("family"), rollout)
    loaded = load_family(pretrained, family, bool(model.get("trust_remote_code")))
    return Run(file, read, pretrained, loaded, options)


def _config_file(ckpt: Path) -> Path | None:
    folder = ckpt.absolute().parent
    files = (ckpt / CONFIG, folder / CONFIG, folder.parent / CONFIG)
    return next((file for file in files if file.is_file()), None)


def _read(file: Path) -> dict[str, Any]:
    try:
        read = OmegaConf.to_container(OmegaConf.load(file))
    except Exception as error:  # YAML parsers raise many types
        raise ConfigError(f"config: can't read {str(file)!r}: {error}") from error
    if not isinstance(read, dict) or not {"trainer", "model", "rollout"} <= read.keys():
        raise ConfigError(
            f"config: {str(file)!r} is not a run's config: it lacks trainer, model or rollout; "
            f"name the {CONFIG} of the run's log folder"
        )
    return {str(key): value for key, value in read.items()}


def conversation_keys(rollout: Mapping[str, Any]) -> dict[str, Any]:
    """The options of ``ConversationOptions`` among those of the section ``rollout``."""
    names = {field.name for field in fields(ConversationOptions)}
    return {key: value for key, value in rollout.items() if key in names}


def _prompts_found(rollout: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A copy, which the parser may change, with prompts named in full whose files lie in the
    config's folder."""
    beside = {key: folder / str(rollout[key]) for key in PROMPT_KEYS if key in rollout}
    return deepcopy(rollout) | {key: str(file) for key, file in beside.items() if file.is_file()}


def _build(
    family: str | None, rollout: Mapping[str, Any]
) -> tuple[type[Family] | None, ConversationOptions]:
    """Build the family's class and the conversation's options from a config."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--model.family", type=type[Family] | None)
    parser.add_class_arguments(ConversationOptions, "rollout")
    config = parsed(parser, {"model": {"family": family}, "rollout": rollout})
    objects = built(lambda: parser.instantiate(config), {"rollout": rollout})
    return objects.model.family, objects.rollout
