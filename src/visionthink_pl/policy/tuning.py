"""What is trained: adapters over a frozen base, or all weights."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from visionthink_pl.types import ConfigError
from visionthink_pl.types.limits import PositiveInt, check_fields

ADAPTER_FILE = "adapter_config.json"


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters in fp32 (Hu et al., 2021); the vision tower and the base stay frozen.

    Args:
        r: rank of the adapters.
        alpha: their output is scaled by alpha / r.
        targets: regular expression, matched in full on module names, of the layers that get an
            adapter; by default every linear layer of the language model's blocks.
        dropout: must be 0: with dropout, the policy that is trained is not the one that sampled.
        quantization: ``nf4`` holds the base in 4 bits (QLoRA; Dettmers et al., 2023), its scales
            quantised too; the vision tower and the head are left alone.
        adapter: folder of a PEFT adapter to start from, whose r and alpha must be those above,
            and whose layers are its own; by default adapters start at zero.
        reference: of the KL, where training starts from an adapter. ``start``: a frozen copy of
            it. ``base``: the model without it.
    """

    r: PositiveInt = 16
    alpha: PositiveInt = 32
    targets: str | None = None
    dropout: Annotated[
        float, Ge(0), Le(0), "with dropout the policy that is trained is not the one that sampled"
    ] = 0.0
    quantization: Literal["nf4"] | None = None
    adapter: str | None = None
    reference: Literal["start", "base"] = "start"

    def __post_init__(self) -> None:
        check_fields(self, "model.lora")
        try:
            re.compile(self.targets or "")
        except re.error as error:
            raise ConfigError(
                f"model.lora.targets: {self.targets!r} is no regular expression: {error}"
            ) from error
        if self.adapter is not None:
            refuse_no_adapter(self.adapter, "model.lora.adapter")
            if self.targets is not None:
                raise ConfigError(
                    "model.lora.targets: leave it out where model.lora.adapter says what to start "
                    "from; its layers are its own"
                )

    def record(self) -> dict[str, Any]:
        """Settings that a checkpoint's weights can't be used without."""
        names = ("r", "alpha", "quantization", "reference")
        return {f"model.lora.{name}": getattr(self, name) for name in names}

    @property
    def keeps_start(self) -> bool:
        """Whether a KL is measured to the adapter that training started from."""
        return self.adapter is not None and self.reference == "start"


@dataclass(frozen=True)
class Full:
    """All weights, in fp32; those of the vision tower only where asked.

    Args:
        vision_tower: whether the vision tower is trained too.
    """

    vision_tower: bool = False

    def record(self) -> dict[str, Any]:
        """What a checkpoint's weights mean nothing without."""
        return {"model.lora": None, "model.train_vision_tower": self.vision_tower}


Tuning = Lora | Full


def refuse_no_adapter(folder: str, key: str) -> None:
    """Refuse a folder without a PEFT adapter.

    Raises:
        ConfigError: naming the config ``key``.
    """
    if not (Path(folder) / ADAPTER_FILE).is_file():
        raise ConfigError(
            f"{key}: there is no {ADAPTER_FILE} in {folder!r}; a training run writes the adapter "
            "into the folder that is named like its .ckpt"
        )
