"""Every YAML that ships says how to run it; so run, all that it names can be built."""

import json
import re
import shlex
import shutil
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

from hub_tables import write_hub
from visionthink_pl.callbacks import RolloutCallback
from visionthink_pl.commands.answering.model_options import ModelOptions
from visionthink_pl.commands.parsing.verbs import OTHERS
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.data import PromptDataModule
from visionthink_pl.families import EMBEDDED, load_family
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.policy.policy_options import PolicyOptions
from visionthink_pl.rewards.judge import local

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


def stop_loading(options: PolicyOptions, temperature: float) -> None:
    raise AboutToLoad(options)


def stop_loading_model(options: ModelOptions, run: object, temperature: float) -> None:
    raise AboutToLoad(options)


def of_commands(config: Path) -> bool:
    """Whether the config is for a verb of ``commands/``, and not for one of the Trainer's."""
    return arguments(config)[0] in OTHERS


EMBEDDED_RUN = ModelOptions().find()
EVERY = sorted(CONFIGS.rglob("*.yaml"))


def write_folder(folder: Path, questions: int = 512) -> None:
    """What ``ImageFolder`` reads: as many questions about one image."""
    folder.mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(folder / "image.png")
    row = {"image": "image.png", "question": "What is it?", "answer": "black"}
    (folder / "questions.jsonl").write_text(f"{json.dumps(row)}\n" * questions, encoding="utf-8")


@pytest.fixture(autouse=True)
def _what_configs_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a config names and a test has not: images, a key, tables and a judge of the hub."""
    for folder in ("data/train", "data/validation"):
        write_folder(tmp_path / folder)
    write_hub(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setattr(local, "AutoConfig", Hub)
    monkeypatch.setattr(local.LocalJudge, "setup", lambda judge: None)


class Hub:
    """Has a config of any judge's name."""

    @staticmethod
    def from_pretrained(name: str, trust_remote_code: bool) -> None:
        assert "/" in name


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # runs/ comes to lie there
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    monkeypatch.setattr(VisionThinkModule, "configure_model", stop)
    monkeypatch.setattr(PolicyOptions, "load", stop_loading)
    monkeypatch.setattr(ModelOptions, "load", stop_loading_model)
    monkeypatch.setattr(ModelOptions, "find", lambda options: EMBEDDED_RUN)
    monkeypatch.setattr(PolicyOptions, "model_family", load_family("embedded"))


def test_there_are_configs() -> None:
    assert {CONFIGS / "quickstart.yaml", CONFIGS / "prepare" / "lookcloser.yaml"} <= set(EVERY)


def name(config: Path) -> str:
    return str(config.relative_to(CONFIGS))


@pytest.mark.parametrize("config", [c for c in EVERY if not of_commands(c)], ids=name)
def test_config_builds_all_but_the_weights(config: Path, tmp_path: Path) -> None:
    args, small = arguments(config), tmp_path / "small"
    shutil.copytree(EMBEDDED, small)
    text = (small / "config.json").read_text().replace(": 4096", ": 32768")
    (small / "config.json").write_text(text)  # it addresses as much as those that are named
    assert str(config) in args
    with pytest.raises(AboutToLoad) as stopped:
        own = [f"--model.pretrained={small}", "--trainer.val_check_interval=1"]  # so few questions
        main([*args, "--seed_everything=3", *own])
    (module,) = stopped.value.args
    trainer = module.trainer
    (rollout,) = [c for c in trainer.callbacks if isinstance(c, RolloutCallback)]
    assert isinstance(trainer.datamodule, PromptDataModule)
    assert rollout.sampling.seed == trainer.datamodule.seed == 3
    assert module.kinds == trainer.datamodule.kinds != ()


@pytest.mark.parametrize("config", [c for c in EVERY if of_commands(c)], ids=name)
def test_config_of_a_command_builds_all_but_the_weights(config: Path) -> None:
    verb, *args = arguments(config)
    assert str(config) in args
    with pytest.raises(AboutToLoad) as stopped:
        import_module(f"visionthink_pl.commands.{verb}.{verb}").main(
            [*args, "--seed=3", "--out=out"]
        )
    assert isinstance(stopped.value.args[0], PolicyOptions | ModelOptions)
    assert json.loads(Path("out/settings.json").read_text(encoding="utf-8"))["seed"] == 3
