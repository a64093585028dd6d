"""The tool makes the files that ship; training them again takes too long for a test."""

import json
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from visionthink_pl.families import EMBEDDED

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def untrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tokenizer, template, processor and config, built from nothing."""
    monkeypatch.syspath_prepend(str(TOOLS))
    from tiny_vlm.files import build_untrained

    torch.manual_seed(0)
    build_untrained(tmp_path).save_pretrained(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("tiny_vlm")]:
        del sys.modules[name]


def test_tokenizer_template_and_config_are_those_that_ship(untrained: Path) -> None:
    for name in ("tokenizer.json", "chat_template.jinja"):
        assert (untrained / name).read_text() == (EMBEDDED / name).read_text(), name
    built, shipped = (json.loads((f / "config.json").read_text()) for f in (untrained, EMBEDDED))
    for config in (built, shipped):
        config.pop("transformers_version", None)
    assert built == shipped


def test_the_model_that_ships_loads_with_plain_transformers() -> None:
    model = AutoModelForImageTextToText.from_pretrained(EMBEDDED)
    processor = AutoProcessor.from_pretrained(EMBEDDED)
    parameters = sum(p.numel() for p in model.parameters())
    assert 1_000_000 < parameters < 2_500_000
    assert (EMBEDDED / "model.safetensors").stat().st_size < 10_000_000
    assert type(processor).__name__ == "Qwen2_5_VLProcessor"


def test_any_text_can_be_asked() -> None:
    tokenizer = AutoProcessor.from_pretrained(EMBEDDED).tokenizer
    text = "Où est le café ? 数字は？ \U0001f600\t{x}"
    assert tokenizer.decode(tokenizer.encode(text)) == text
