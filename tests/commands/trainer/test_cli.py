"""Mistakes in a config: one line, exit code 2, the nearest key, and no model loaded."""

import re
from pathlib import Path

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.accelerators import MPSAccelerator

from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.module import VisionThinkModule
from visionthink_pl.types import ConfigError

CONFIG = """\
trainer:
  accelerator: cpu
  logger: false
  enable_checkpointing: false
  max_epochs: 1
  callbacks:
    - class_path: visionthink_pl.callbacks.RolloutLog
      init_args: {every_n_steps: 10}
model:
  lora: {r: 16, alpha: 32}
  loss:
    class_path: visionthink_pl.losses.GRPOLoss
    init_args: {kl_coefficient: 0.0}
  optimizer: {schedule: constant}
  micro_batch_size: 32
data:
  train:
    class_path: visionthink_pl.data.LookCloser
    init_args: {length: 40, split: train}
  validation:
    class_path: visionthink_pl.data.LookCloser
    init_args: {length: 40, split: validation}
rollout:
  group_size: 8
  rewards:
    - class_path: visionthink_pl.rewards.RuleAccuracy
    - class_path: visionthink_pl.rewards.ResizePenalty
      init_args: {measure: accuracy}
"""


class AboutToLoad(Exception):
    """Raised where the weights would be loaded."""


def stop(*args: object) -> None:
    raise AboutToLoad


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    monkeypatch.setattr("visionthink_pl.module.module.load_policy", stop)
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    return file


def one_line(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The line that ``main`` ends in, without its prefix."""
    assert main(args) == 2
    printed = capsys.readouterr().err
    assert re.fullmatch(r"error: [^\n]+\n", printed), printed
    return printed.removeprefix("error: ").rstrip()


def test_a_correct_config_reaches_the_loading_of_the_model(config: Path) -> None:
    with pytest.raises(AboutToLoad):
        main(["fit", "--config", str(config)])


def test_the_progress_bar_can_be_switched_off(config: Path) -> None:
    with pytest.raises(AboutToLoad):
        main(["fit", "--config", str(config), "--trainer.enable_progress_bar=false"])


# What is added to the command line, and what the one line must say.
ON_THE_COMMAND_LINE = [
    # typos
    ("--model.micro_batch_sise=4", "model.micro_batch_sise; did you mean model.micro_batch_size?"),
    ("--rolout.rows=4", "rolout.rows; did you mean rollout.rows?"),
    ("--rollout.reward=[]", "rollout.reward; did you mean rollout.rewards?"),
    ("--trainer.max_epoch=1", "trainer.max_epoch; did you mean trainer.max_epochs?"),
    ("--ckpt_pth=a.ckpt", "ckpt_pth; did you mean ckpt_path?"),
    ("--confg=a.yaml", "confg; did you mean config?"),
    (
        "--model.loss.kl=0",
        "unknown key model.loss.init_args.kl of GRPOLoss; did you mean "
        "model.loss.init_args.kl_coefficient?",
    ),
    ("--data.train.folder=x", "data.train.init_args.folder of LookCloser; its keys: length, split"),
    (
        "--rollout.rewards=[{class_path: HybridAccuracy, init_args: {judge: {class_path: "
        "visionthink_pl.rewards.APIJudge, init_args: {modell: x}}}}]",
        "rollout.rewards.init_args.judge.init_args.modell of APIJudge; did you mean "
        "rollout.rewards.init_args.judge.init_args.model?",
    ),
    (
        "--data.test={class_path: VQADataset, init_args: {path: a, columns: {image: b}}}",
        "data.test.init_args.columns.image of Columns; did you mean "
        "data.test.init_args.columns.images?",
    ),
    ("--model.zzzzzzzzzzz=4", "unknown key model.zzzzzzzzzzz"),
    ("extra", "extra"),
    # wrong types and values
    ("--model.micro_batch_size=many", "model.micro_batch_size: Expected a int. Got value: many"),
    ("--model.micro_batch_size=2.5", "model.micro_batch_size: Expected a int. Got value: 2.5"),
    ("--model.optimizer.schedule=cosin", "model.optimizer.schedule: Expected one of 'constant'"),
    ("--seed_everything=abc", "seed_everything: Expected a bool"),
    ("--seed_everything=true", "seed_everything: from 0 to 2**32 - 1, not True"),
    # classes
    (
        "--model.loss=GRPOLos",
        "model.loss: there is no class GRPOLos; write the module that it is in as well; "
        "did you mean GRPOLoss?",
    ),
    ("--trainer.callbacks=RolloutLog", "trainer.callbacks: a list, such as [RolloutLog]"),
    ("--trainer.val_check_interval=3", "trainer.val_check_interval: 3 batches, but an epoch of"),
    (
        "--ckpt_path=last",
        "ckpt_path: name the file; a new process doesn't know the last checkpoint",
    ),
    (
        "--model.loss=visionthink_pl.losses.GRPOLos",
        "model.loss: there is no class visionthink_pl.losses.GRPOLos; "
        "did you mean visionthink_pl.losses.GRPOLoss?",
    ),
    (
        "--model.loss=visionthink_pl.loses.GRPOLoss",
        "model.loss: can't import visionthink_pl.loses: No module named 'visionthink_pl.loses'; "
        "did you mean visionthink_pl.losses?",
    ),
    ("--model.loss=visionthink_pl.rewards.FormatReward", "not correspond to a subclass of Loss"),
    # values that can't work
    ("--rollout.group_size=1", "rollout.group_size: at least 2, not 1"),
    ("--model.micro_batch_size=0", "model.micro_batch_size: at least 1, not 0"),
    ("--model.lora.dropout=0.1", "model.lora.dropout: must be 0, not 0.1"),
    ("--model.lora.r=0", "model.lora.r: at least 1, not 0"),
    ("--model.std_floor=-1", "model.std_floor: at least 0, not -1.0"),
    ("--model.optimizer.lr=0", "model.optimizer.lr: above 0, not 0.0"),
    ("--model.loss.clip_low=1.5", "model.loss.init_args.clip_low: between 0 and 1, not 1.5"),
    ("--rollout.temperature=0", "rollout.temperature: above 0, not 0.0"),
    ("--rollout.temperature=.inf", "rollout.temperature: above 0, not inf"),
    ("--rollout.temperature=.nan", "rollout.temperature: above 0, not nan"),
    (
        "--rollout.rewards=[{class_path: RuleAccuracy, init_args: {weight: .nan}}]",
        "rollout.rewards[0].init_args.weight: a number, not nan",
    ),
    ("--rollout.max_new_tokens=0", "rollout.max_new_tokens: at least 1, not 0"),
    ("--rollout.rows=0", "rollout.rows: at least 1, not 0"),
    ("--rollout.limits.min_pixels=0", "rollout.limits.min_pixels: at least 1, not 0"),
    ("--data.prompts_per_step=0", "data.prompts_per_step: at least 1, not 0"),
    ("--data.prompts_per_step=41", "41 prompts a step, but data.train has only 40"),
    (
        "--data.train.mix={shap: 1}",
        "data.train.init_args.mix or data.validation.init_args.mix: no kind 'shap'; the kinds are",
    ),
    ("--seed_everything=-1", "seed_everything: from 0 to 2**32 - 1"),
    ("--model.std_floor=.nan", "model.std_floor: at least 0, not nan"),
    ("--model.optimizer.lr=.nan", "model.optimizer.lr: above 0, not nan"),
    ("--model.optimizer.betas=[0.9, 1.0]", "model.optimizer.betas: from 0 to below 1"),
    ("--model.lora.alpha=0", "model.lora.alpha: at least 1, not 0"),
    ("--model.lora.targets=(", "model.lora.targets: '(' is no regular expression"),
    ("--model.lora.targets=nothing", "model.lora.targets: 'nothing' matches no linear layer"),
    (
        "--rollout.rewards=[RuleAccuracy, {class_path: ResizePenalty, init_args: {theta: 3}}]",
        "rollout.rewards[1].init_args.theta: from 0 to 1, not 3.0",
    ),
    # values that can't work together
    ("--rollout.prompt=one_look", "rollout.prompt: 'one_look' has no slot {tools}"),
    ("--rollout.first_view=FullView", "set tools to [] or first_view to HalfView"),
    ("--rollout.prompt_without_tools=look_closer", "'look_closer' has the slot {tools}, but no"),
    ("--rollout.tools=[ResizeImage, ResizeImage]", "rollout.tools: each needs a name of its own"),
    (
        "--trainer.callbacks=[visionthink_pl.callbacks.RolloutCallback]",
        "trainer.callbacks: RolloutCallback is added already, as rollout",
    ),
    ("--rollout.max_turns=1", "rollout.max_turns: at least 2 where tools (resize_image) are"),
    ("--rollout.rewards=[]", "rollout.rewards: at least one reward"),
    (
        "--rollout.rewards=[ResizePenalty, RuleAccuracy]",
        "rollout.rewards: 'resize_penalty' needs a reward named 'accuracy' before it",
    ),
    (
        "--rollout.rewards=[RuleAccuracy, RuleAccuracy]",
        "rollout.rewards: two rewards are named 'accuracy'",
    ),
    ("--model.kinds=[digit]", '"model.kinds" must be given via "data.kinds"'),
    # options of Lightning's that do not go with this module
    ("--trainer.precision=bf16-true", "trainer.precision: 32-true or bf16-mixed, not bf16-true"),
    ("--trainer.inference_mode=true", "trainer.inference_mode: must be false"),
    ("--trainer.gradient_clip_val=1.0", "trainer.gradient_clip_val: set model.max_grad_norm"),
    ("--trainer.accumulate_grad_batches=2", "trainer.accumulate_grad_batches: must be 1"),
    ("--trainer.barebones=true", "trainer.barebones: must be false"),
    ("--trainer.use_distributed_sampler=true", "trainer.use_distributed_sampler: must be false"),
    ("--model.lora.quantization=nf5", "model.lora.quantization: Expected one of 'nf4'"),
    ("--trainer.strategy=fsdp", "trainer.strategy: auto on one device, ddp on several, not fsdp"),
    ("--trainer.strategy=ddp_spawn", "trainer.strategy: auto on one device, ddp on several, not"),
    ("--trainer.strategy=ddp_fork", "ddp on several, not ddp_fork"),
    ("--trainer.strategy=ddp_notebook", "ddp on several, not ddp_notebook"),
    ("--trainer.strategy=ddp_spawn_find_unused_parameters_true", "ddp on several, not ddp_spawn_"),
    ("--trainer.strategy=DDP_Spawn", "ddp on several, not DDP_Spawn"),  # Lightning takes any case
    ("--trainer.accelerator=mps", "trainer.accelerator: auto, cpu, gpu or cuda, not mps"),
    ("--trainer.accelerator=tpu", "trainer.accelerator: auto, cpu, gpu or cuda, not tpu"),
    ("--trainer.overfit_batches=2", "trainer.overfit_batches: set trainer.limit_train_batches"),
    ("--trainer.overfit_batches=0.5", "trainer.overfit_batches: set trainer.limit_train_batches"),
    ("--trainer.devices=999", "data.prompts_per_step: at least as many as processes (999), not"),
    # what isn't there
    ("--config=nowhere.yaml", "config: File does not exist: "),
    ("--ckpt_path=nowhere", "ckpt_path: there is no file 'nowhere'"),
    ("--ckpt_path=nowhere.ckpt", "ckpt_path: there is no file 'nowhere.ckpt'"),
    ("--rollout.prompt_without_tools=nowhere", "rollout.prompt_without_tools: no file 'nowhere'"),
    (
        "--rollout.prompt=nowhere",
        "rollout.prompt: no file 'nowhere'; the prompts that ship are look_closer",
    ),
    ("--model.pretrained=no/such/folder", "model.pretrained: can't read a model config at 'no/"),
    ("--data.train=null", "data.train: a source of samples is needed"),
]


@pytest.mark.parametrize(("added", "phrase"), ON_THE_COMMAND_LINE)
def test_mistake_on_the_command_line(
    config: Path, capsys: pytest.CaptureFixture[str], added: str, phrase: str
) -> None:
    assert phrase in one_line(capsys, "fit", "--config", str(config), added)


# Objects in place of a strategy's name; the second and those behind it derive from DDPStrategy.
STRATEGIES = [
    ("{class_path: %sDDPStrategy, init_args: {start_method: spawn}}", "is popen, not spawn; in a"),
    ("{class_path: %sDDPStrategy, init_args: {start_method: fork}}", "is popen, not fork; in a"),
    ("{class_path: %sDeepSpeedStrategy}", "ddp on several, not lightning.pytorch.strategies.Deep"),
    ("{class_path: %sXLAStrategy}", "ddp on several, not lightning.pytorch.strategies.XLAStrategy"),
    ("{class_path: %sFSDPStrategy}", "ddp on several, not lightning.pytorch.strategies.FSDPStra"),
]


@pytest.mark.parametrize(("written", "phrase"), STRATEGIES)
def test_an_object_as_strategy(
    config: Path, capsys: pytest.CaptureFixture[str], written: str, phrase: str
) -> None:
    strategy = written % "lightning.pytorch.strategies."
    config.write_text(CONFIG.replace("trainer:\n", f"trainer:\n  strategy: {strategy}\n"))
    line = one_line(capsys, "fit", "--config", str(config), "--trainer.devices=2")
    assert line.startswith("trainer.strategy: ") and phrase in line


STRATEGIES_THAT_WORK = ["ddp_find_unused_parameters_true", "{class_path: %sDDPStrategy}"]


@pytest.mark.parametrize("strategy", STRATEGIES_THAT_WORK)
def test_negative_control_strategies_that_work(config: Path, strategy: str) -> None:
    strategy = strategy.replace("%s", "lightning.pytorch.strategies.")
    config.write_text(CONFIG.replace("trainer:\n", f"trainer:\n  strategy: {strategy}\n"))
    with pytest.raises(AboutToLoad):
        main(["fit", "--config", str(config)])


def test_auto_chooses_the_cpu_where_mps_is_available(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: True))
    config.write_text(CONFIG.replace("accelerator: cpu", "accelerator: auto"))
    with pytest.raises(AboutToLoad):
        main(["fit", "--config", str(config)])


@pytest.mark.parametrize(("own", "every"), [([], 1), (["--trainer.log_every_n_steps=5"], 5)])
def test_each_batch_has_its_row_of_metrics(
    config: Path, monkeypatch: pytest.MonkeyPatch, own: list[str], every: int
) -> None:
    seen: list[Trainer] = []

    def look(module: VisionThinkModule, trainer: Trainer) -> None:
        seen.append(trainer)
        raise AboutToLoad

    monkeypatch.setattr(VisionThinkModule, "check", look)
    with pytest.raises(AboutToLoad):
        main(["fit", "--config", str(config), *own])
    assert [trainer.log_every_n_steps for trainer in seen] == [every]


# What is written in the YAML, what instead, and what the one line must say.
IN_THE_FILE = [
    ("rollout:", "rolout:", "rolout.group_size; did you mean rollout.group_size?"),
    ("micro_batch_size", "micro_batch_sise", "did you mean model.micro_batch_size?"),
    ("{r: 16,", "{rank: 16,", "unknown key model.lora.rank of Lora; did you mean model.lora.r?"),
    ("length: 40, split: tr", "lenth: 40, split: tr", "did you mean data.train.init_args.length?"),
    ("measure:", "measur:", "did you mean rollout.rewards.init_args.measure?"),
    ("every_n_steps", "every_n_step", "did you mean trainer.callbacks.init_args.every_n_steps?"),
    ("kl_coefficient", "kl_coeficient", "did you mean model.loss.init_args.kl_coefficient?"),
    ("r: 16", "r: sixteen", "model.lora.r: Expected a int. Got value: sixteen"),
    ("split: train", "split: trian", "data.train.init_args.split: Expected one of 'train', 'val"),
    ("measure: accuracy", "measure: acc", "rollout.rewards.init_args.measure: Expected one of"),
    ("RolloutLog", "RoloutLog", "did you mean visionthink_pl.callbacks.RolloutLog?"),
    ("rewards.RuleAcc", "rewards.RulAcc", "did you mean visionthink_pl.rewards.RuleAccuracy?"),
    ("data.LookCloser", "dat.LookCloser", "did you mean visionthink_pl.data?"),
    ("group_size: 8", "group_size: [8", "Problems parsing config"),
    ("group_size: 8", "group_size: 1", "rollout.group_size: at least 2, not 1"),
]


@pytest.mark.parametrize(("written", "instead", "phrase"), IN_THE_FILE)
def test_mistake_in_the_file(
    config: Path, capsys: pytest.CaptureFixture[str], written: str, instead: str, phrase: str
) -> None:
    assert written in CONFIG
    config.write_text(CONFIG.replace(written, instead), encoding="utf-8")
    assert phrase in one_line(capsys, "fit", "--config", str(config))


def test_missing_folder_of_images(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ("--data.train=ImageFolder", "--data.train.folder=nowhere")
    line = one_line(capsys, "fit", "--config", str(config), *folder)
    assert "folder: there is no file 'questions.jsonl' in 'nowhere'" in line


def test_the_adapter_s_folder_is_no_checkpoint(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("last-v1").mkdir()
    Path("last-v1.ckpt").touch()
    line = one_line(capsys, "fit", "--config", str(config), "--ckpt_path=last-v1")
    assert line == "ckpt_path: there is no file 'last-v1'; did you mean 'last-v1.ckpt'?"
    line = one_line(capsys, "fit", "--config", str(config), "--ckpt_path=.")
    assert line == "ckpt_path: there is no file '.'; did you mean 'last-v1.ckpt'?"


@pytest.mark.parametrize("content", [b"", b"\x80\x04garbage", b"not a checkpoint at all"])
def test_a_file_that_is_no_checkpoint(
    config: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    Path("mine.ckpt").write_bytes(content)
    line = one_line(capsys, "validate", "--config", str(config), "--ckpt_path=mine.ckpt")
    assert line.startswith("ckpt_path: 'mine.ckpt' can't be read as a checkpoint: ")


def test_a_file_without_a_training_run_is_no_checkpoint(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": {}}, "weights.pt")
    line = one_line(capsys, "fit", "--config", str(config), "--ckpt_path=weights.pt")
    assert line.startswith("ckpt_path: 'weights.pt' is no checkpoint of a training run: it lacks")


def test_decay_needs_a_length_of_training(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    endless = ["--trainer.max_epochs=-1", "--model.optimizer.schedule=cosine"]
    line = one_line(capsys, "fit", "--config", str(config), *endless)
    assert "model.optimizer.schedule: cosine needs an end of training" in line


def test_a_mistake_found_while_loading_is_one_line_too(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise ConfigError("model.lora.targets: nothing\n  matches")

    monkeypatch.setattr("visionthink_pl.module.module.load_policy", fail)
    line = one_line(capsys, "fit", "--config", str(config))
    assert line == "model.lora.targets: nothing matches"


def test_a_bug_keeps_its_traceback(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("visionthink_pl.module.module.load_policy", fail)
    with pytest.raises(ValueError, match="a bug"):
        main(["fit", "--config", str(config)])


# Verbs that read a source which is not set.
WITHOUT_A_SOURCE = [("validate", "validation"), ("test", "test"), ("predict", "predict")]


@pytest.mark.parametrize(("verb", "source"), WITHOUT_A_SOURCE)
def test_verb_without_its_source(
    config: Path, capsys: pytest.CaptureFixture[str], verb: str, source: str
) -> None:
    line = one_line(capsys, verb, "--config", str(config), "--data.validation=null")
    assert f"data.{source}: a source of samples is needed" in line


VERBS = "(verbs: fit, validate, test, predict, prepare, plan, export)"
NO_VERBS = [
    (["fitt"], f"there is no verb 'fitt'; did you mean fit? {VERBS}"),
    (["prepar"], f"there is no verb 'prepar'; did you mean prepare? {VERBS}"),
    (["dance"], f"there is no verb 'dance' {VERBS}"),
    ([], "a verb comes first: fit, validate, test, predict, prepare, plan, export"),
]


@pytest.mark.parametrize(("args", "phrase"), NO_VERBS)
def test_no_such_verb(capsys: pytest.CaptureFixture[str], args: list[str], phrase: str) -> None:
    assert phrase in one_line(capsys, *args)


@pytest.fixture
def help_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "1000")  # no line is wrapped
    with pytest.raises(SystemExit) as end:
        main(["fit", "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


EXPLAINED = [
    "G, rollouts of one prompt in training; at least 2.",
    "tokens that one turn may have.",
    "B, prompts in a rollout batch.",
    "least std that the rewards of a group are divided by, in units of reward",
    "optimizer steps over which the learning rate rises from 0.",
    "a larger image is shrunk to this many pixels.",
    "trajectories in one forward and backward pass",
]


@pytest.mark.parametrize("phrase", EXPLAINED)
def test_help_explains_values_with_their_units(help_text: str, phrase: str) -> None:
    assert phrase in help_text


def test_help_explains_every_option_of_ours(help_text: str) -> None:
    ours = r"^ +--((?:model|data|rollout)\.[\w.]+) (?!CONFIG)[^\n]*?(?:  +|\n +)(\S[^\n]*)"
    options = dict(re.findall(ours, help_text, re.MULTILINE))
    assert {"model.std_floor", "rollout.rows", "data.train"} <= set(options)
    assert [name for name, text in options.items() if text.startswith("(type:")] == []


WITHOUT_VALIDATION = ["--data.validation=null", "--trainer.limit_val_batches=0"]


@pytest.mark.parametrize("without", WITHOUT_VALIDATION)
def test_the_interval_is_not_checked_without_validation(config: Path, without: str) -> None:
    own = ["--trainer.val_check_interval=50", "--data.prompts_per_step=4", without]
    with pytest.raises(AboutToLoad):
        main(["fit", "--config", str(config), *own])
