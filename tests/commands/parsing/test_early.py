"""Mistakes are refused before torch is imported; correct configs pass."""

import re
from pathlib import Path

import pytest

from visionthink_pl.commands.parsing.early import check
from visionthink_pl.commands.parsing.verbs import VERBS
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
    (
        "--rollout.rewards=[{class_path: HybridAccuracy, init_args: {judge: {class_path: "
        "visionthink_pl.rewards.APIJudge, init_args: {modell: x}}}}]",
        "rollout.rewards.init_args.judge.init_args.model",
        "an option of a class within a class",
    ),
    (
        "--data.test={class_path: VQADataset, init_args: {path: a, columns: {image: b}}}",
        "data.test.init_args.columns.images",
        "a field of an option of a class",
    ),
    ("--rollout.max_tokens=1", "rollout.max_new_tokens", "a like name"),
    ("--rollout.group_sise=1", "rollout.group_size", "a typo"),
    ("--rollout.system_prompt=x", "rollout.prompt", "what is said of it"),
    ("--rollout.reward=[]", "rollout.rewards", "a typo"),
    ("--trainer.max_epoch=1", "trainer.max_epochs", "a typo in an option of Lightning's"),
    ("--ckpt_pth=a.ckpt", "ckpt_path", "a typo outside of any section"),
    ("--confg=a.yaml", "config", "a typo in that of the file"),
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


# What is written, and what is said of it.
MISTAKES = [
    ("--data.train.folder=x", "data.train.init_args.folder of LookCloser; its keys: length, split"),
    # values
    ("--model.micro_batch_size=many", "model.micro_batch_size: Expected a int. Got value: many"),
    ("--model.micro_batch_size=2.5", "model.micro_batch_size: Expected a int. Got value: 2.5"),
    ("--model.optimizer.schedule=cosin", "model.optimizer.schedule: Expected one of 'constant'"),
    ("--model.lora.quantization=nf5", "model.lora.quantization: Expected one of 'nf4'"),
    ("--seed_everything=abc", "seed_everything: Expected a bool"),
    ("--seed_everything=-1", "seed_everything: from 0 to 2**32 - 1"),
    ("--model.kinds=[digit]", '"model.kinds" must be given via "data.kinds"'),
    # classes
    (
        "--model.loss=visionthink_pl.loses.GRPOLoss",
        "can't import visionthink_pl.loses: No module named 'visionthink_pl.loses'; did you mean "
        "visionthink_pl.losses?",
    ),
    (
        "--rollout.filters=[visionthink_pl.filters.DropEmpty]",
        "did you mean visionthink_pl.training.DropEmpty?",
    ),
    ("--rollout.rewards+=RulAccuracy", "there is no class RulAccuracy"),
    ("--rollout.rewrds+=RuleAccuracy", "unknown key rollout.rewrds; did you mean rollout.rewards?"),
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


@pytest.mark.parametrize(("added", "phrase"), MISTAKES)
def test_mistakes(added: str, phrase: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        check("fit", ["--config", QUICKSTART, added])
    assert phrase in str(refusal.value)


IN_A_FILE = """\
trainer:
  callbacks:
    - class_path: visionthink_pl.callbacks.RolloutLog
      init_args: {every_n_steps: 10}
model:
  lora: {r: 16, alpha: 32}
data:
  train:
    class_path: visionthink_pl.data.LookCloser
    init_args: {length: 40, split: train}
rollout:
  group_size: 8
  rewards:
    - class_path: visionthink_pl.rewards.RuleAccuracy
    - class_path: visionthink_pl.rewards.ResizePenalty
      init_args: {measure: accuracy}
"""
# What is written in the file, what instead, and what is said of it.
MISWRITTEN = [
    ("rollout:", "rolout:", "rolout.group_size; did you mean rollout.group_size?"),
    ("group_size", "group_sise", "did you mean rollout.group_size?"),
    ("{r: 16,", "{rank: 16,", "unknown key model.lora.rank of Lora; did you mean model.lora.r?"),
    ("length:", "lenth:", "did you mean data.train.init_args.length?"),
    ("measure:", "measur:", "did you mean rollout.rewards.init_args.measure?"),
    ("every_n_steps", "every_n_step", "did you mean trainer.callbacks.init_args.every_n_steps?"),
    ("r: 16", "r: sixteen", "model.lora.r: Expected a int. Got value: sixteen"),
    ("split: train", "split: trian", "data.train.init_args.split: Expected one of 'train', 'val"),
    ("RolloutLog", "RoloutLog", "did you mean visionthink_pl.callbacks.RolloutLog?"),
    ("data.LookCloser", "dat.LookCloser", "did you mean visionthink_pl.data?"),
]


@pytest.mark.parametrize(("written", "instead", "phrase"), MISWRITTEN)
def test_mistakes_in_a_file(tmp_path: Path, written: str, instead: str, phrase: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(IN_A_FILE, encoding="utf-8")
    check("fit", ["--config", str(file)])  # the control
    file.write_text(IN_A_FILE.replace(written, instead, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as refusal:
        check("fit", ["--config", str(file)])
    assert phrase in str(refusal.value)


# The same of ``prepare``, whose options stand in no section.
OF_PREPARE = [
    ("--policy.pretraind=x", "policy.pretraind of PolicyOptions; did you mean policy.pretrained?"),
    ("--data.lenth=4", "data.init_args.lenth of LookCloser; did you mean data.init_args.length?"),
    ("--data.length=0", "data.init_args.length: at least 1, not 0"),
    ("--rollouts=many", "rollouts: Expected a int. Got value: many"),
    ("--policy.precision=fp16", "policy.precision: Expected one of 'fp32', 'bf16'"),
]


@pytest.mark.parametrize(("added", "phrase"), OF_PREPARE)
def test_mistakes_in_prepare(added: str, phrase: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        check("prepare", ["--config", str(CONFIGS / "prepare" / "lookcloser.yaml"), added])
    assert phrase in str(refusal.value)


# Verb, arguments, and why nothing is wrong with them as far as can be told here.
FINE = [
    ("fit", ["--model.lora=null"], "no adapter"),
    ("fit", ["--model.lora.r", "8"], "two words"),
    ("fit", ["--model.gradient_checkpointing=true"], "one of two types"),
    ("fit", ["--trainer.accelerator=gpu"], "a text where a class may stand"),
    ("fit", ["--trainer.callbacks+=EarlyStopping"], "a list that grows"),
    ("fit", ["--rollout.rewards+", "RuleAccuracy", "--rollout.rewards.weight=2"], "of the added"),
    (
        "fit",
        ["--rollout.rewards+", "OverlongPenalty", "--rollout.rewards.free_tokens=3"],
        "an option of the added class alone",
    ),
    ("fit", ["--data.train.columns+=y"], "a list of other things"),
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


def test_options_behind_an_added_class_are_its_own() -> None:
    added = ["--rollout.rewards+", "RuleAccuracy", "--rollout.rewards.theta=0.5"]
    with pytest.raises(ConfigError, match="rewards.init_args.theta of RuleAccuracy"):
        check("fit", ["--config", QUICKSTART, *added])


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
@pytest.mark.parametrize("verb", ["fit", "plan"])
def test_shipped_configs_pass(config: Path, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check(verb, ["--config", str(config)])


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("prepare/*.yaml")), ids=lambda p: p.name)
def test_configs_of_prepare_pass(config: Path) -> None:
    check("prepare", ["--config", str(config), "--policy.pretrained=x", "--limits.max_pixels=9"])


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_alone_has_nothing_to_check(verb: str) -> None:
    assert check(verb, []) == []
