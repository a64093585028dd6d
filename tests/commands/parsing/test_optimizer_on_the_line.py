"""``model.optimizer``: AdamW's options right below it, or a class that is named."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentError
from lightning.pytorch.cli import LightningArgumentParser

from visionthink_pl.commands.parsing.early import check
from visionthink_pl.commands.verb import PARSER_OPTIONS
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.training import AdamW
from visionthink_pl.types import ConfigError

OWN = """
from dataclasses import dataclass
import torch
from visionthink_pl.training import OptimizerConfig

@dataclass(frozen=True, kw_only=True)
class Momentum(OptimizerConfig):
    momentum: float = 0.9

    def build(self, parameters):
        return torch.optim.SGD(parameters, lr=self.lr, momentum=self.momentum)
"""
KEY = "--model.optimizer"
NAMED = {"class_path": "own_optimizers.Momentum", "init_args": {"lr": 0.5}}


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "own_optimizers.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_optimizers", None)


def given(folder: Path, config: Any, args: list[str]) -> list[str]:
    if config is None:
        return args
    (folder / "c.yaml").write_text(yaml.safe_dump({"model": {"optimizer": config}}))
    return ["--config", str(folder / "c.yaml"), *args]


def parsed(args: list[str]) -> VisionThinkModule:
    """By the whole parser, without the early look."""
    parser = LightningArgumentParser(**PARSER_OPTIONS)
    parser.add_argument("--config", action="config")
    parser.add_lightning_class_args(VisionThinkModule, "model")
    return parser.instantiate(parser.parse_args(args)).model


def momentum(**settings: float) -> tuple[str, dict[str, float]]:
    return "Momentum", {"lr": 1e-5, "momentum": 0.9} | settings


# A config, what follows on the command line, and the optimizer that both make.
ACCEPTED: list[tuple[Any, list[str], Any]] = [
    (None, [], AdamW()),
    ({"lr": 0.5, "betas": [0.8, 0.9]}, [], AdamW(lr=0.5, betas=(0.8, 0.9))),
    ({"lr": 0.5}, [f"{KEY}.weight_decay=0.1"], AdamW(lr=0.5, weight_decay=0.1)),
    (None, [f"{KEY}={{lr: 0.5}}"], AdamW(lr=0.5)),
    (None, [f"{KEY}.init_args.lr=0.5"], AdamW(lr=0.5)),
    (None, [f"{KEY}=AdamW", f"{KEY}.variant=8bit"], AdamW(variant="8bit")),
    ({"class_path": "visionthink_pl.training.AdamW", "init_args": {"lr": 1}}, [], AdamW(lr=1.0)),
    (NAMED, [], momentum(lr=0.5)),
    (NAMED, [f"{KEY}.momentum=0.2"], momentum(lr=0.5, momentum=0.2)),
    (NAMED, [f"{KEY}={{lr: 0.25}}"], momentum(lr=0.25)),
    ({"lr": 0.5, "weight_decay": 0.1}, [f"{KEY}=own_optimizers.Momentum"], momentum(lr=0.5)),
    (None, [f"{KEY}.class_path={NAMED['class_path']}", f"{KEY}.momentum=0"], momentum(momentum=0)),
]
REFUSED: list[tuple[Any, list[str], str]] = [
    ({"momentum": 1}, [], "unknown key model.optimizer.momentum of AdamW; its keys: lr, schedule"),
    (None, [f"{KEY}={{momentum: 1}}"], "unknown key model.optimizer.momentum of AdamW"),
    (NAMED, [f"{KEY}.betas=1"], "unknown key model.optimizer.init_args.betas of Momentum; its k"),
    (NAMED, [f"{KEY}.moment=1"], "did you mean model.optimizer.init_args.momentum?"),
    (NAMED, [f"{KEY}.momentum=x"], "model.optimizer.init_args.momentum: Expected a float. Got v"),
    (NAMED, [f"{KEY}.lr=0"], "model.optimizer.init_args.lr: above 0, not 0.0"),
    ({"lr": 0}, [], "model.optimizer.lr: above 0, not 0"),
    (None, [f"{KEY}.init_args.lr=0"], "model.optimizer.lr: above 0, not 0.0"),
    (None, [f"{KEY}=AdamV"], "model.optimizer: there is no class AdamV; write the module that it"),
    (None, [f"{KEY}=own_optimizers.Moment"], "did you mean own_optimizers.Momentum?"),
]


@pytest.mark.parametrize(("config", "args", "expected"), ACCEPTED)
def test_both_ways_to_write_it(config: Any, args: list[str], expected: Any, tmp_path: Path) -> None:
    args = given(tmp_path, config, args)
    named = {found.name for found in check("fit", args)}
    found = parsed(args).optimizer_config
    if isinstance(expected, AdamW):
        assert found == expected
        return
    name, settings = expected
    assert type(found).__name__ == name and name in named
    assert {key: getattr(found, key) for key in settings} == settings


@pytest.mark.parametrize(("config", "args", "words"), REFUSED)
def test_mistakes_in_either(config: Any, args: list[str], words: str, tmp_path: Path) -> None:
    args = given(tmp_path, config, args)
    with pytest.raises(ConfigError) as refusal:
        check("fit", args)
    assert words in str(refusal.value)
    with pytest.raises((ArgumentError, ValueError)):  # the parser, or the class itself
        parsed(args)
