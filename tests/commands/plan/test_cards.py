"""Cards by their memory and by their vendors' names."""

import pytest

from visionthink_pl.commands.plan.cards import GIB, MEMORY, Card, _key
from visionthink_pl.types import ConfigError

# What is written, and how many GB that is.
CARDS = [
    ("24GB", 24),
    ("24 gib", 24),
    ("24", 24),
    ("11.5GB", 11.5),
    ("141", 141),
    # names, written in any way
    ("4090", 24),
    ("RTX 4090", 24),
    ("rtx4090", 24),
    ("NVIDIA GeForce RTX 4090", 24),
    ("4090 24GB", 24),
    ("GeForce RTX 4090 Laptop GPU", 16),
    ("4070 Ti SUPER", 16),
    ("RTX-4070-Ti", 12),
    ("4060 Ti 16GB", 16),
    ("4060Ti 8GB", 8),
    ("3060 12 GB", 12),
    ("3090 Ti", 24),
    ("5090", 32),
    ("5080", 16),
    ("2080 Ti", 11),
    ("TITAN RTX", 24),
    ("A100 80GB", 80),
    ("NVIDIA A100-SXM4-40GB", 40),
    ("a100-pcie-80gb", 80),
    ("H100", 80),
    ("NVIDIA H100 80GB HBM3", 80),
    ("H100 NVL", 94),
    ("H200", 141),
    ("B200", 180),
    ("Tesla V100-SXM2-32GB", 32),
    ("Tesla T4", 16),
    ("T4", 16),
    ("A10G", 24),
    ("L4", 24),
    ("L40S", 48),
    ("RTX A6000", 48),
    ("NVIDIA RTX 6000 Ada Generation", 48),
    ("Quadro RTX 6000", 24),
    ("RTX PRO 6000 Blackwell Workstation Edition", 96),
    ("RTX 6000 96GB", 96),
]

# What is written, what the error says, and why.
REFUSED = [
    ("A100", "A100 has 40 or 80 GB; write 'A100 80GB'", "two by this name"),
    ("V100", "V100 has 16 or 32 GB; write 'V100 32GB'", "two by this name"),
    ("4060 Ti", "4060 Ti has 8 or 16 GB", "two by this name"),
    ("RTX 6000", "RTX 6000 has 24 or 48 or 96 GB", "three by this name"),
    ("A100 24GB", "A100 has 40 or 80 GB", "there is no such A100"),
    ("4090 48GB", "4090 has 24 GB; write '4090 24GB', or the memory alone", "an altered one"),
    ("4095", "or its name, such as 4090, not '4095'", "no card, and no memory"),
    ("4090GB", "not '4090GB'", "more than any card has"),
    ("24576", "not '24576'", "MiB"),
    ("513", "not '513'", "more than any card has"),
    ("big", "not 'big'", "no name"),
    ("RTX", "not 'RTX'", "nothing of a name"),
    ("", "not ''", "nothing"),
    ("9090 Ti", "not '9090 Ti'", "no card yet"),
    ("2x4090", "not '2x4090'", "the plan is for one device"),
    ("0.5GB", "not '0.5GB'", "holds nothing"),
    ("nan", "not 'nan'", "no number"),
]


@pytest.mark.parametrize(("text", "size"), CARDS)
def test_cards(text: str, size: float) -> None:
    card = Card.parse(text)
    assert card.memory == size * GIB
    assert card.name.endswith(f" of {size:g} GB")


@pytest.mark.parametrize(("text", "message", "why"), REFUSED)
def test_texts_that_are_no_card(text: str, message: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Card.parse(text)
    assert str(caught.value).startswith("--gpu: ") and message in str(caught.value), why


def test_keys_of_the_table_are_normalised() -> None:
    for name, sizes in MEMORY.items():
        assert _key(name) == name and list(sizes) == sorted(set(sizes))
        assert Card.parse(f"{name} {sizes[-1]}GB").memory == sizes[-1] * GIB
