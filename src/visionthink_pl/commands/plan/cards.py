"""GPUs and their memory, by size or by vendors' names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from visionthink_pl.types import ConfigError

GIB = 2**30
CONTEXT = 0.75 * GIB  # of the CUDA context, kernels and cuBLAS workspaces
FRAGMENTED = 0.05  # share of the card lost to fragmentation
LARGEST = 512  # GB; more is a mistake
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:GB|GiB)?", re.IGNORECASE)
SIZE_IN_NAME = re.compile(r"\b(\d+) ?(?:GB|GiB)\b", re.IGNORECASE)

CARD_EXPECTED = "a card's memory, such as 24GB, or its name, such as 4090"

# Memory sizes in GB of the cards that a name may mean; the name as ``_key`` returns it.
MEMORY = {
    # GeForce, and Titan
    **dict.fromkeys(("1070", "1080", "2070", "2070super", "2080", "2080super"), (8,)),
    **dict.fromkeys(("1080ti", "2080ti"), (11,)),
    **{"2060": (6, 12), "titanv": (12,), "titanxp": (12,), "titan": (24,)},
    **{"3050": (6, 8), "3060": (8, 12), "3080": (10, 12), "3080ti": (12,)},
    **dict.fromkeys(("3060ti", "3070", "3070ti", "4060", "5050", "5060"), (8,)),
    **dict.fromkeys(("3090", "3090ti", "4090", "4090d"), (24,)),
    **dict.fromkeys(("4060ti", "5060ti"), (8, 16)),
    **dict.fromkeys(("4070", "4070super", "4070ti", "5070"), (12,)),
    **dict.fromkeys(("4070tisuper", "4080", "4080super", "5070ti", "5080"), (16,)),
    **dict.fromkeys(("5090", "5090d"), (32,)),
    **{"3060laptop": (6,), "3080laptop": (8, 16), "4080laptop": (12,), "5070tilaptop": (12,)},
    **dict.fromkeys(("3070laptop", "3070tilaptop", "4060laptop", "4070laptop"), (8,)),
    **dict.fromkeys(("5060laptop", "5070laptop"), (8,)),
    **dict.fromkeys(("3080tilaptop", "4090laptop", "5080laptop"), (16,)),
    **{"5090laptop": (24,)},
    # workstations; three cards are called RTX 6000
    **{"6000": (24, 48, 96), "quadro6000": (24,), "quadro8000": (48,), "8000": (48,)},
    **{"a2000": (6, 12), "a4000": (16,), "a4500": (20,), "a5000": (24,), "a5500": (24,)},
    **{"a6000": (48,), "2000ada": (16,), "4000ada": (20,), "4500ada": (24,)},
    **{"5000ada": (32,), "5880ada": (48,), "6000ada": (48,), "pro2000": (16,)},
    **{"pro4000": (24,), "pro4500": (32,), "pro5000": (48, 72), "pro6000": (96,)},
    # data centres
    **{"p40": (24,), "p100": (12, 16), "v100": (16, 32), "t4": (16,), "a2": (16,)},
    **{"a10": (24,), "a10g": (24,), "a16": (16,), "a30": (24,), "a40": (48,)},
    **{"a100": (40, 80), "a800": (40, 80), "l4": (24,), "l40": (48,), "l40s": (48,)},
    **{"h100": (80,), "h100nvl": (94,), "h800": (80,), "h20": (96,), "h200": (141,)},
    **{"h200nvl": (141,), "gh200": (96, 144), "b200": (180,), "gb200": (186,), "b300": (288,)},
    **{"gb10": (128,)},
}
NO_PART_OF_A_NAME = re.compile(
    r"nvidia|geforce|rtx|gtx|tesla|pcie|sxm\d?|hbm\d?e?|generation|blackwell|workstation|server"
    r"|edition|max-?q|gpu|[^a-z0-9]"
)


@dataclass(frozen=True)
class Card:
    """A GPU.

    Attributes:
        name: for messages.
        memory: bytes, in all.
    """

    name: str
    memory: float

    @property
    def usable(self) -> float:
        """Bytes available to tensors."""
        return self.memory - CONTEXT - FRAGMENTED * self.memory

    @classmethod
    def parse(cls, text: str) -> Card:
        """Parse a size such as ``24GB``, which means 24 GiB as vendors use it, or a name such as
        ``4090`` or ``A100 80GB``.

        Raises:
            ConfigError: the text is neither, the size is too small or too large, or cards of
                several sizes share the name.
        """
        text = text.strip()
        if (sizes := MEMORY.get(_key(text))) is not None:
            size: float = _one_of(sizes, text)
            return cls(f"{SIZE_IN_NAME.sub('', text).strip(' -')} of {size} GB", size * GIB)
        match = SIZE.fullmatch(text)
        size = float(match[1]) if match else 0.0
        card = cls(f"a card of {size:g} GB", size * GIB)
        if card.usable <= 0 or size > LARGEST:
            raise ConfigError(f"--gpu: {CARD_EXPECTED}, not {text!r}")
        return card

    @classmethod
    def here(cls) -> Card | None:
        """This machine's first GPU, if it has one."""
        if not torch.cuda.is_available():
            return None
        found = torch.cuda.get_device_properties(0)
        return cls(found.name, found.total_memory)


def _key(text: str) -> str:
    """A card's name without vendor's words, blanks and memory size."""
    return NO_PART_OF_A_NAME.sub("", SIZE_IN_NAME.sub("", text).lower())


def _one_of(sizes: Sequence[int], text: str) -> int:
    """The size, in GB, that the text means, of those that cards of this name have.

    Raises:
        ConfigError: the text gives none of several, or one that no such card has.
    """
    given = SIZE_IN_NAME.search(text)
    if given is None and len(sizes) == 1:
        return sizes[0]
    if given is not None and int(given[1]) in sizes:
        return int(given[1])
    name = SIZE_IN_NAME.sub("", text).strip(" -")
    there = " or ".join(map(str, sizes))
    raise ConfigError(
        f"--gpu: {name} has {there} GB; write '{name} {sizes[-1]}GB', or the memory alone"
    )
