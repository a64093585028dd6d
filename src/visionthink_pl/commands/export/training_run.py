"""The run that a checkpoint comes from, as far as its ``config.yaml`` tells."""

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
    """A run.

    Attributes:
        config_file: its config; ``None`` where it was not found.
        config: what that holds.
        pretrained: the base.
        family: the base's family.
        options: what the model was shown and told; the defaults without a config.
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
        """What the base is called; a local folder by its own name alone."""
        return self.pretrained if self.on_hub else Path(self.pretrained).name

    @cached_property
    def skeleton(self) -> PreTrainedModel:
        """The base without its weights."""
        return self.family.skeleton(self.base)

    @property
    def dtype(self) -> torch.dtype:
        """What the run computed in, and what is saved; the base's own without a config."""
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
        """The adapters' options, where the config tells.

        Raises:
            ConfigError: they can't work: what the run started from is gone, say.
        """
        return None if self._lora is None else Lora(**self._lora)

    @property
    def _lora(self) -> dict[str, Any] | None:
        return self.config.get("model", {}).get("lora")

    @cached_property
    def conversation(self) -> Conversation:
        """Renders prompts as the run did."""
        return Conversation(self.family, self.options)
