"""Every YAML that ships says how to run it; so run, all that it names can be built."""

import re
import shlex
from pathlib import Path

import pytest

from visionthink_pl.callbacks import RolloutCallback
from visionthink_pl.cli import main
from visionthink_pl.data import PromptDataModule
from visionthink_pl.module import VisionThinkModule

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
COMMAND = re.compile(r"^# +python -m visionthink_pl (.+)$", re.MULTILINE)


class AboutToLoad(Exception):
    """Raised where the weights would be loaded; by then all else has been built."""


def arguments(config: Path) -> list[str]:
    """Those of the first command in the file's comments; paths start at the root there."""
    command = COMMAND.search(config.read_text(encoding="utf-8"))
    assert command is not None, "a comment with the command that runs it is missing"
    words = shlex.split(command[1])
    return [str(ROOT / word) if word.startswith("configs/") else word for word in words]


def stop(module: VisionThinkModule) -> None:
    raise AboutToLoad(module)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # runs/ comes to lie there
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    monkeypatch.setattr(VisionThinkModule, "configure_model", stop)


def test_there_are_configs() -> None:
    assert CONFIGS / "quickstart.yaml" in set(CONFIGS.rglob("*.yaml"))


@pytest.mark.parametrize(
    "config", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONFIGS))
)
def test_config_builds_all_but_the_weights(config: Path) -> None:
    args = arguments(config)
    assert str(config) in args
    with pytest.raises(AboutToLoad) as stopped:
        main([*args, "--seed_everything=3"])
    (module,) = stopped.value.args
    trainer = module.trainer
    (rollout,) = [c for c in trainer.callbacks if isinstance(c, RolloutCallback)]
    assert isinstance(trainer.datamodule, PromptDataModule)
    assert rollout.sampling.seed == trainer.datamodule.seed == 3
    assert module.kinds == trainer.datamodule.kinds != ()
