"""The trainer's command line: mistakes end in one line and exit code 2, and no model is loaded.

There is one row for each place that refuses; what it refuses is tested where it is.
"""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import Namespace
from lightning.pytorch.accelerators import MPSAccelerator

from visionthink_pl.commands.trainer.cli import VisionThinkCLI, build_cli, main
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


# What is added to the command line, what the one line must say, and what refuses it.
MISTAKES = [
    ("--rolout.rows=4", "unknown key rolout.rows; did you mean rollout.rows?", "the early look"),
    ("extra", "extra", "the parser"),
    (
        "--model.loss=visionthink_pl.rewards.FormatReward",
        "not correspond to a subclass",
        "the same",
    ),
    (
        "--seed_everything=true",
        "seed_everything: from 0 to 2**32 - 1, not True",
        "once it is parsed",
    ),
    ("--ckpt_path=nowhere.ckpt", "ckpt_path: there is no file 'nowhere.ckpt'", "before it is read"),
    ("--trainer.inference_mode=true", "trainer.inference_mode: must be false", "the config alone"),
    (
        "--data.train.mix={shap: 1}",
        "data.train.init_args.mix or data.validation.init_args.mix: no kind 'shap'; the kinds are",
        "a constructor, which knows no key of the config",
    ),
    (
        "--trainer.precision=bf16-true",
        "trainer.precision: 32-true or bf16-mixed, not",
        "the module",
    ),
    ("--trainer.devices=999", "data.prompts_per_step: at least as many as processes", "the data"),
    (
        "--trainer.val_check_interval=3",
        "trainer.val_check_interval: 3 batches, but an epoch",
        "fit",
    ),
]


@pytest.mark.parametrize(("added", "phrase", "by"), MISTAKES)
def test_mistake_on_the_command_line(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    added: str,
    phrase: str,
    by: str,
) -> None:
    if by != "fit":  # before processes are started, which is where it would be looked at again
        monkeypatch.setattr(VisionThinkCLI, "before_fit", lambda cli: pytest.fail("too late"))
    assert phrase in one_line(capsys, "fit", "--config", str(config), added), by


def test_mistake_in_the_file(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(CONFIG.replace("rollout:", "rolout:"), encoding="utf-8")
    line = one_line(capsys, "fit", "--config", str(config))
    assert line == "unknown key rolout.group_size; did you mean rollout.group_size?"


def test_no_such_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no verb 'fitt'; did you mean fit?" in one_line(capsys, "fitt")


class Parsed(Exception):
    """Raised with the command line once it is parsed, before anything is built."""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> VisionThinkCLI:
    def halt(cli: VisionThinkCLI) -> None:
        raise Parsed(cli)

    file = tmp_path_factory.mktemp("parsed") / "config.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Parsed) as caught:
        patch.setattr("sys.argv", ["visionthink_pl"])
        patch.setattr(VisionThinkCLI, "instantiate_classes", halt)
        build_cli(["fit", "--config", str(file)])
    return caught.value.args[0]


@pytest.fixture
def look_over(parsed: VisionThinkCLI) -> Iterator[Callable[..., Namespace]]:
    """Looks over the config with other options of the trainer; returns it as it is then."""
    before = parsed.config

    def look(**trainer: Any) -> Namespace:
        parsed.config = before.clone()
        for name, value in trainer.items():
            parsed.config.fit.trainer[name] = value
        parsed.before_instantiate_classes()
        return parsed.config.fit

    yield look
    parsed.config = before


def of_class(path: str) -> Namespace:
    return Namespace(class_path=path, init_args=Namespace())


LIGHTNING_S = "lightning.pytorch.strategies."
REFUSED = [
    ({"inference_mode": True}, "trainer.inference_mode: must be false"),
    ({"inference_mode": None}, "trainer.inference_mode: must be false"),
    ({"gradient_clip_val": 1.0}, "trainer.gradient_clip_val: set model.max_grad_norm"),
    ({"accumulate_grad_batches": 2}, "trainer.accumulate_grad_batches: must be 1"),
    ({"barebones": True}, "trainer.barebones: must be false"),
    ({"use_distributed_sampler": True}, "trainer.use_distributed_sampler: must be false"),
    ({"callbacks": of_class("a.RolloutLog")}, "trainer.callbacks: a list, such as [RolloutLog]"),
    (
        {"callbacks": [of_class("visionthink_pl.callbacks.RolloutCallback")]},
        "trainer.callbacks: RolloutCallback is added already, as rollout",
    ),
    ({"strategy": "fsdp"}, "trainer.strategy: auto on one device, ddp on several, not fsdp"),
    ({"strategy": "ddp_spawn"}, "ddp on several, not ddp_spawn"),
    ({"strategy": "ddp_fork"}, "ddp on several, not ddp_fork"),
    ({"strategy": "ddp_notebook"}, "ddp on several, not ddp_notebook"),
    ({"strategy": "ddp_spawn_find_unused_parameters_true"}, "ddp on several, not ddp_spawn_find"),
    ({"strategy": "DDP_Spawn"}, "ddp on several, not DDP_Spawn"),  # Lightning takes any case
    # These derive from DDPStrategy, all but the last.
    ({"strategy": of_class(f"{LIGHTNING_S}DeepSpeedStrategy")}, f"not {LIGHTNING_S}DeepSpeedStrat"),
    ({"strategy": of_class(f"{LIGHTNING_S}XLAStrategy")}, f"several, not {LIGHTNING_S}XLAStrategy"),
    ({"strategy": of_class(f"{LIGHTNING_S}FSDPStrategy")}, f"several, not {LIGHTNING_S}FSDPStrate"),
    ({"accelerator": "mps"}, "trainer.accelerator: auto, cpu, gpu or cuda, not mps"),
    ({"accelerator": "tpu"}, "trainer.accelerator: auto, cpu, gpu or cuda, not tpu"),
]


@pytest.mark.parametrize(("trainer", "phrase"), REFUSED)
def test_options_of_lightning_s_that_do_not_go_with_this_module(
    look_over: Callable[..., Namespace], trainer: dict[str, Any], phrase: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        look_over(**trainer)
    assert phrase in str(refused.value)


STRATEGIES_THAT_WORK = ["auto", "DDP", "ddp_find_unused_parameters_true"]


@pytest.mark.parametrize("strategy", [*STRATEGIES_THAT_WORK, of_class(f"{LIGHTNING_S}DDPStrategy")])
def test_negative_control_strategies_that_work(
    look_over: Callable[..., Namespace], strategy: str | Namespace
) -> None:
    assert look_over(strategy=strategy).trainer.strategy == strategy


def test_auto_chooses_the_cpu_where_mps_is_available(
    look_over: Callable[..., Namespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    for available, chosen in ((True, "cpu"), (False, "auto")):
        monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda a=available: a))
        assert look_over(accelerator="auto").trainer.accelerator == chosen


def test_the_progress_bar_that_is_always_there_is_hidden(
    look_over: Callable[..., Namespace],
) -> None:
    """Lightning would refuse it beside ``enable_progress_bar: false``."""
    assert look_over().progress.refresh_rate > 0
    hidden = look_over(enable_progress_bar=False)
    assert (hidden.trainer.enable_progress_bar, hidden.progress.refresh_rate) == (None, 0)


def test_each_batch_has_its_row_of_metrics(parsed: VisionThinkCLI) -> None:
    assert parsed.config.fit.trainer.log_every_n_steps == 1


def test_the_nearest_checkpoint_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("last-v1").mkdir()  # the adapter's folder
    Path("last-v1.ckpt").touch()
    near = "there is no file {!r}; did you mean 'last-v1.ckpt'?"
    best = "name the file; a new process doesn't know the best one"
    for given, said in (("last-v1", near), (".", near), ("best", best)):
        line = one_line(capsys, "fit", "--config", str(config), f"--ckpt_path={given}")
        assert line == f"ckpt_path: {said.format(given)}"


# Verbs that read a source which is not set.
WITHOUT_A_SOURCE = [("validate", "validation"), ("test", "test"), ("predict", "predict")]


@pytest.mark.parametrize(("verb", "source"), WITHOUT_A_SOURCE)
def test_verb_without_its_source(
    config: Path, capsys: pytest.CaptureFixture[str], verb: str, source: str
) -> None:
    line = one_line(capsys, verb, "--config", str(config), "--data.validation=null")
    assert f"data.{source}: a source of samples is needed" in line


@pytest.fixture(scope="module")
def help_text() -> str:
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setattr("sys.argv", ["visionthink_pl"])
        patch.setenv("COLUMNS", "1000")  # no line is wrapped
        with pytest.raises(SystemExit) as end:
            main(["fit", "--help"])
    assert end.value.code == 0
    return out.getvalue()


EXPLAINED = [
    "G, rollouts of one prompt in training; at least 2.",
    "tokens that one turn may have.",
    "B, prompts in a rollout batch.",
    "least std that the rewards of a group are divided by, in units of reward",
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
