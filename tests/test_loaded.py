"""Packages that are loaded only where they are used, so that a run without them needs none."""

import subprocess
import sys
from pathlib import Path

import pytest

UNUSED = (
    "datasets",
    "pyarrow",
    "bitsandbytes",
    "openai",
    "httpx2",
    "math_verify",
    "latex2sympy2_extended",
    "tensorboard",
    "matplotlib",
    "plotly",
)
LOADED = """
import sys
import lightning.pytorch, lightning.pytorch.cli, transformers
theirs = set(sys.modules)  # torchmetrics loads matplotlib wherever it is installed
import visionthink_pl.module, visionthink_pl.callbacks, visionthink_pl.data
import visionthink_pl.commands.trainer.cli
from visionthink_pl.data import LookCloser, PromptDataModule
from visionthink_pl.rewards import FormatReward, ResizePenalty, RuleAccuracy
{more}
ours = {{name.partition(".")[0] for name in set(sys.modules) - theirs}}
print(*sorted(ours & set({unused})))
"""
# Packages are looked up as if these were not installed.
ABSENT = """
import sys

UNUSED = {unused}

class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, *args):
        return None if name.partition(".")[0] in UNUSED else self.finder.find_spec(name, *args)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
from visionthink_pl.commands.trainer.cli import main

sys.exit(main(sys.argv[1:]))
"""
# What torchmetrics and transformers take for installed by its metadata.
KNOWN_BY_METADATA = ("matplotlib", "httpx2")


def loaded(more: str = "") -> list[str]:
    code = LOADED.format(more=more, unused=UNUSED)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout.split()


def test_nothing_that_is_not_used_is_loaded() -> None:
    assert loaded() == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("more", "package"),
    [
        ("from visionthink_pl.data import VQADataset", "datasets"),
        ("from visionthink_pl.rewards import APIJudge", "openai"),
        (
            "from visionthink_pl.training.optimizer import variant_class as v; v('8bit')",
            "bitsandbytes",
        ),
    ],
)
def test_what_is_used_is_loaded_then(more: str, package: str) -> None:
    assert package in loaded(more)


@pytest.mark.long
@pytest.mark.integration
def test_a_fit_without_what_it_does_not_use(tmp_path: Path) -> None:
    unused = [name for name in UNUSED if name not in KNOWN_BY_METADATA]
    config = Path(__file__).parents[1] / "configs" / "quickstart.yaml"
    args = [
        *("fit", "--config", str(config), "--trainer.logger=false", "--trainer.callbacks=[]"),
        *("--data.train.length=20", "--data.validation=null", "--data.prompts_per_step=4"),
        *("--trainer.limit_train_batches=1", "--trainer.enable_checkpointing=false"),
        "--rollout.max_new_tokens=8",
    ]
    code = ABSENT.format(unused=unused)
    ran = subprocess.run(
        [sys.executable, "-c", code, *args], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "in 1 rollout batches" in ran.stdout
