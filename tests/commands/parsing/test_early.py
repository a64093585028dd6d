"""Mistakes are refused before torch is imported; correct configs pass."""

import re
from pathlib import Path

import pytest

from visionthink_pl.commands.parsing.early import check
from visionthink_pl.types import ConfigError

CONFIGS = Path(__file__).parents[3] / "configs"
QUICKSTART = str(CONFIGS / "quickstart.yaml")

# The key that was written, and the one that was meant.
MEANT = [
    ("--model.learning_rate=1", "model.optimizer.lr", "what is said of it"),
    ("--model.optimizer.learning_rate=1", "model.optimizer.lr", "the same, within its class"),
    ("--lr=1", "model.optimizer.lr", "its last part alone"),
    ("--trainer.lr=1", "model.optimizer.lr", "in another section"),
    ("--model.weight_decay=1", "model.optimizer.weight_decay", "a level too high"),
    ("--model.rank=1", "model.lora.r", "what is said of it, a level too high"),
    ("--model.lora.rank=1", "model.lora.r", "what is said of it"),
    ("--model.warmup=1", "model.optimizer.warmup_steps", "a part of its name"),
    ("--model.scheduler=cosine", "model.optimizer.schedule", "a like name"),
    ("--model.batch_size=1", "model.micro_batch_size", "a part of its name"),
    ("--model.grad_norm=1", "model.max_grad_norm", "a part of its name"),
    ("--model.quantization=nf4", "model.lora.quantization", "a level too high"),
    ("--model.temperature_=1", "rollout.temperature", "in another section"),
    ("--model.loss.kl=0", "model.loss.init_args.kl_coefficient", "an option of a class"),
    ("--rollout.max_tokens=1", "rollout.max_new_tokens", "a like name"),
    ("--rollout.group_sise=1", "rollout.group_size", "a typo"),
    ("--rollout.system_prompt=x", "rollout.prompt", "what is said of it"),
    ("--rolout.rows=1", "rollout.rows", "a typo in the section"),
    ("--epochs=1", "trainer.max_epochs", "a part of its name"),
    ("--seed=1", "seed_everything", "a part of its name"),
    ("--ckpt=a.ckpt", "ckpt_path", "a part of its name"),
]


@pytest.mark.parametrize(("added", "meant", "why"), MEANT)
def test_the_key_that_was_meant(added: str, meant: str, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"did you mean {re.escape(meant)}\?"):
        check("fit", ["--config", QUICKSTART, added])


@pytest.mark.parametrize("added", ["--model.zzzzzz=1", "--resume=1", "--data.path=x"])
def test_no_key_is_suggested_where_none_is_near(added: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        check("fit", ["--config", QUICKSTART, added])
    assert "did you mean" not in str(refusal.value)


# A class as it is written, and what is said of it.
CLASSES = [
    (
        "--model.loss=visionthink_pl.loses.GRPOLoss",
        "can't import visionthink_pl.loses: No module named 'visionthink_pl.loses'; did you mean "
        "visionthink_pl.losses?",
    ),
    (
        "--rollout.filters=[visionthink_pl.filters.DropEmpty]",
        "did you mean visionthink_pl.training.DropEmpty?",
    ),
    ("--model.loss=vision_pl.losses.GRPOLoss", "did you mean visionthink_pl.losses?"),
    ("--model.loss=visionthink_pl.losses.grop.GRPOLoss", "did you mean visionthink_pl.losses.grpo"),
    ("--model.loss=visionthink_pl.GRPOLoss", "there is no class visionthink_pl.GRPOLoss"),
    ("--model.loss=GRPOLos", "there is no class GRPOLos; write the module that it is in as well; "),
    ("--rollout.rewards=[my_rewards.X]", "can't import my_rewards: No module named 'my_rewards'"),
    (
        "--rollout.rewards=[{class_path: visionthink_pl.rewards.RulAccuracy}]",
        "did you mean visionthink_pl.rewards.RuleAccuracy?",
    ),
    (
        "--rollout.rewards=[{class_path: ResizePenalty, init_args: {thta: 1}}]",
        "unknown key rollout.rewards.init_args.thta of ResizePenalty; did you mean "
        "rollout.rewards.init_args.theta?",
    ),
    (
        "--rollout.rewards=[{class_path: ResizePenalty, init_args: {theta: much}}]",
        "rollout.rewards.init_args.theta: Expected a float. Got value: much",
    ),
    (
        "--trainer.logger=lightning.pytorch.logger.CSVLogger",
        "did you mean lightning.pytorch.loggers?",
    ),
    (
        "--trainer.logger=lightning.pytorch.loggers.CVSLogger",
        "did you mean lightning.pytorch.loggers.CSVLogger?",
    ),
    ("--data.train={class_path: jsn.Source}", "can't import jsn: No module named 'jsn'; did you"),
]


@pytest.mark.parametrize(("added", "phrase"), CLASSES)
def test_no_such_class(added: str, phrase: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        check("fit", ["--config", QUICKSTART, added])
    assert phrase in str(refusal.value)


# Verb, arguments, and why nothing is wrong with them as far as can be told here.
FINE = [
    ("fit", ["--model.lora=null"], "no adapter"),
    ("fit", ["--model.lora.r", "8"], "two words"),
    ("fit", ["--model.gradient_checkpointing=true"], "one of two types"),
    ("fit", ["--trainer.accelerator=gpu"], "a text where a class may stand"),
    ("fit", ["--trainer.callbacks+=EarlyStopping"], "a list that grows"),
    ("fit", ["--trainer.logger=false"], "no class"),
    ("fit", ["--data.train=ImageFolder", "--data.train.folder=x"], "a class without its module"),
    ("fit", ["--model", "model.yaml"], "a file with a section"),
    ("fit", ["--rollout.rewards=[unittest.mock.Mock]"], "a class of somebody else's"),
    ("fit", ["--print_config"], "what the other parser answers"),
    ("plan", ["--gpu", "24GB", "--json", "--ask-rate=0.5"], "options of a verb's own"),
    ("predict", ["--ckpt_path=x.ckpt"], "a verb of the trainer"),
]


@pytest.mark.parametrize(("verb", "args", "why"), FINE)
def test_uncertain_cases_are_left_to_the_parser(verb: str, args: list[str], why: str) -> None:
    check(verb, ["--config", QUICKSTART, *args])


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
@pytest.mark.parametrize("verb", ["fit", "plan"])
def test_shipped_configs_pass(config: Path, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check(verb, ["--config", str(config)])


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("prepare/*.yaml")), ids=lambda p: p.name)
def test_configs_of_prepare_pass(config: Path) -> None:
    check("prepare", ["--config", str(config), "--policy.pretrained=x", "--limits.max_pixels=9"])


@pytest.mark.parametrize("verb", ["serve", "prepare", "compare"])
def test_a_verb_without_arguments_is_left_to_its_parser(verb: str) -> None:
    assert check(verb, []) == []
