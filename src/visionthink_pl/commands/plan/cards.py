"""GPUs, by the size that their vendors give."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch

from visionthink_pl.types import ConfigError

GIB = 2**30
CONTEXT = 0.75 * GIB  # of the CUDA context, kernels and cuBLAS workspaces
FRAGMENTED = 0.05  # share of the card that lies in gaps between tensors
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:GB|GiB)?", re.IGNORECASE)

SIZE_EXPECTED = "a card's memory, such as 24GB"


@dataclass(frozen=True)
class Card:
    """A GPU.

    Attributes:
        name: what it is called.
        memory: bytes on it.
    """

    name: str
    memory: float

    @property
    def usable(self) -> float:
        """Bytes that tensors can have."""
        return self.memory - CONTEXT - FRAGMENTED * self.memory

    @classmethod
    def parse(cls, text: str) -> Card:
        """From ``24GB``: what vendors call that has 24 GiB.

        Raises:
            ConfigError: it is no size, or too little to hold anything.
        """
        match = SIZE.fullmatch(text.strip())
        card = cls(f"a card of {match[1]} GB", float(match[1]) * GIB) if match else None
        if card is None or card.usable <= 0:
            raise ConfigError(f"--gpu: {SIZE_EXPECTED}, not {text!r}")
        return card

    @classmethod
    def here(cls) -> Card | None:
        """The GPU of this machine, if it has one."""
        if not torch.cuda.is_available():
            return None
        found = torch.cuda.get_device_properties(0)
        return cls(found.name, found.total_memory)
