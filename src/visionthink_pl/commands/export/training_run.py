"""The run that a checkpoint comes from, as its ``config.yaml`` describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from visionthink_pl.commands.precision import full_name
from visionthink_pl.families import Family, resolve
from visionthink_pl.module import BASE_DTYPES
from visionthink_pl.policy import Lora
from visionthink_pl.rollout.conversation import Conversation
from visionthink_pl.rollout.conversation_options import ConversationOptions


@dataclass(frozen=True)
class Run:
    """A training run.

    Attributes:
        config_file: its ``config.yaml``; ``None`` where it was not found.
        config: the content of that file.
        pretrained: the base, as the config names it.
        family: the base's family.
        options: views, tools, prompts and limits; the defaults without a config.
    """

    config_file: Path | None
    config: Mapping[str, Any]
    pretrained: str
    family: Family
    options: ConversationOptions

    @property
    def base(self) -> str:
        """Where the base is loaded from: a folder's full path, or a hub id."""
        return self.pretrained if self.on_hub else str(Path(resolve(self.pretrained)).absolute())

    @property
    def on_hub(self) -> bool:
        """Whether the base is named by its hub id."""
        return not Path(resolve(self.pretrained)).is_dir()

    @property
    def base_name(self) -> str:
        """The base's name: its hub id, or the last part of a local path."""
        return self.pretrained if self.on_hub else Path(self.pretrained).name

    @cached_property
    def skeleton(self) -> PreTrainedModel:
        """The base's modules without weights."""
        return self.family.skeleton(self.base)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that the run computed in and that is saved; the base's own without a config."""
        if self.config_file is None:
            dtype = self.skeleton.config.dtype
            return dtype if isinstance(dtype, torch.dtype) else torch.float32
        return BASE_DTYPES[full_name(self.config["trainer"].get("precision"))]

    @property
    def quantized(self) -> bool:
        """Whether the base was held in 4 bits."""
        return (self._lora or {}).get("quantization") == "nf4"

    @property
    def lora(self) -> Lora | None:
        """The adapters' options; ``None`` where the config has none.

        Raises:
            ConfigError: they can't work; the adapter to start from may be gone, for example.
        """
        return None if self._lora is None else Lora(**self._lora)

    @property
    def _lora(self) -> dict[str, Any] | None:
        return self.config.get("model", {}).get("lora")

    @cached_property
    def conversation(self) -> Conversation:
        """Renders prompts as the run did."""
        return Conversation(self.family, self.options)
