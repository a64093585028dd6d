"""The command: mistakes in one line, kills, and the shipped config from end to end."""

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from PIL import Image

from prepare_helpers import Faulty, Killed, Listed, make_settings
from visionthink_pl.__main__ import main as main_of_package
from visionthink_pl.commands.prepare import prepare as prepare_command
from visionthink_pl.commands.prepare.prepare import main
from visionthink_pl.commands.prepare.record import Row
from visionthink_pl.commands.prepare.run import prepare
from visionthink_pl.data import LookCloser
from visionthink_pl.families import Family
from visionthink_pl.policy import Lora, Policy, load_policy
from visionthink_pl.policy.policy_options import PolicyOptions
from visionthink_pl.rewards import FormatReward, RuleAccuracy
from visionthink_pl.types import ConfigError, RunStopped, UnreadableSample

CONFIG = Path(__file__).parents[3] / "configs" / "prepare" / "lookcloser.yaml"
BASE = ["--config", str(CONFIG)]


class AboutToLoad(Exception):
    """Raised where the weights would be loaded."""


@pytest.fixture
def _no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: object) -> None:
        raise AboutToLoad

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(PolicyOptions, "load", stop)


def one_line(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The line that ``main`` ends in, without its prefix."""
    assert main([*BASE, *args]) == 2
    printed = capsys.readouterr().err
    assert re.fullmatch(r"error: [^\n]+\n", printed), printed
    return printed.removeprefix("error: ").rstrip()


# What is added to the command line, what the one line must say, and what refuses it.
MISTAKES = [
    ("--rolouts=4", "rolouts; did you mean rollouts?", "the early look"),
    ("--config=nowhere.yaml", "config: File does not exist", "the same"),
    ("--data=null", "data", "the parser"),
    ("--data.mix={shap: 1}", "data.init_args.mix: no kind 'shap'; the kinds are", "a class's own"),
    ("--rollouts=4", "gain: from 1 to rollouts (4), not 6", "the settings"),
    ("--policy.adapter=nowhere", "policy.adapter: there is no adapter_config.json", "the policy's"),
]


@pytest.mark.usefixtures("_no_weights")
@pytest.mark.parametrize(("added", "phrase", "by"), MISTAKES)
def test_mistake(capsys: pytest.CaptureFixture[str], added: str, phrase: str, by: str) -> None:
    line = one_line(capsys, added)
    assert phrase in line and "rollout.limits" not in line, by
    assert not Path("runs").exists()


# Settings that can't work together or by their content; those out of their limits are refused in
# ``parsing/test_limits_on_the_line.py``.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"rollouts": 4, "gain": 5}, "gain: from 1 to rollouts (4), not 5"),
    ({"accuracy": FormatReward()}, "accuracy: a reward that says what is correct, such as RuleAc"),
    ({"prompt": "look_closer"}, "prompt: 'look_closer' has the slot {tools}"),
    ({"prompt": "nowhere"}, "prompt: no file 'nowhere'"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_settings_that_cannot_work(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        make_settings(tmp_path, **options)
    assert str(refused.value).startswith(message)


def test_no_such_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = one_line(capsys, "--policy.pretrained=no/such/folder", f"--out={tmp_path}")
    assert line.startswith("policy.pretrained: can't read a model config at 'no/such/folder'")


def a_count() -> None:
    """One line in the record of the shipped config."""
    row = Row(0, "a", low=0, high=8)
    line = json.dumps(asdict(row)) + "\n"
    Path("runs/prepare/lookcloser/counts.jsonl").write_text(line, encoding="utf-8")


@pytest.mark.usefixtures("_no_weights")
def test_other_settings_on_the_same_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AboutToLoad):
        main(BASE)
    a_count()
    line = one_line(capsys, "--temperature=0.5", "--data.length=10", "--balance=false")
    assert "(data.init_args.length: 600, now 10, temperature: 1.0, now 0.5, number of" in line
    assert "set them back, or choose another out folder" in line


# What may change from one run on a folder to the next: how fast counts come, and what is made of
# them.
FREE = ["--gain=5", "--balance=false", "--rows=8", "--prompts_per_batch=5", "--policy.device=cpu"]


@pytest.mark.usefixtures("_no_weights")
@pytest.mark.parametrize("added", FREE)
def test_settings_that_the_counts_do_not_depend_on(added: str) -> None:
    with pytest.raises(AboutToLoad):
        main(BASE)
    a_count()
    with pytest.raises(AboutToLoad):
        main([*BASE, added])


@pytest.mark.usefixtures("_no_weights")
def test_exit_codes_of_a_stopped_and_an_interrupted_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, code in ((RunStopped("no\nverdicts"), 1), (KeyboardInterrupt(), 130)):

        def fail(*args: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(prepare_command, "prepare", fail)
        assert main(BASE) == code
    printed = capsys.readouterr()
    assert printed.err == "error: no verdicts\n"
    assert "the same command resumes from here" in printed.out


def test_help_explains_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for option in ("--rollouts", "--policy.adapter", "--limits.max_pixels", "--near_duplicates"):
        assert option in text
    assert "(type:" not in re.findall(r"^ +--[\w.]+ [A-Z_]+\s+(\S+)", text, re.MULTILINE)


@pytest.mark.parametrize("batches", [0, 2])
def test_a_killed_run_resumes_to_the_same_counts(tmp_path: Path, batches: int, quiet) -> None:
    """Torn in the middle of a line besides, with two that could not be read or rolled out."""
    drawn = [LookCloser(40)[index] for index in range(10)]
    data = Listed([*drawn[:5], UnreadableSample("bad", "no image"), drawn[0], *drawn[5:]])
    rules, record = RuleAccuracy(), "counts.jsonl"

    def run(folder: str, reward) -> bytes:
        settings = make_settings(tmp_path / folder, data=data, accuracy=reward)
        prepare(settings, {}, quiet)
        return (tmp_path / folder / record).read_bytes()

    whole = run("whole", rules)
    with pytest.raises(KeyboardInterrupt):
        run("killed", Killed(rules, batches))
    assert not (tmp_path / "killed" / "summary.json").exists()
    with (tmp_path / "killed" / record).open("ab") as file:
        file.write(whole[:30])
    assert run("killed", rules) == whole
    for name in ("summary.json", "histogram.png"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_folder_is_written_again_without_the_model(
    tmp_path: Path, quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(make_settings(tmp_path), {}, quiet)
    monkeypatch.setattr(PolicyOptions, "load", None)
    assert prepare(make_settings(tmp_path), {}, quiet) == first
    stricter = prepare(make_settings(tmp_path, gain=2, balance=False), {}, quiet)
    assert stricter.needs_high < first.needs_high + first.left_out_by_balance
    assert len(datasets.load_from_disk(tmp_path / "dataset")) == stricter.kept


def test_the_summary_says_what_is_missing(tmp_path: Path, quiet) -> None:
    data = Listed([UnreadableSample("bad [1]", "no image"), *(LookCloser(9)[i] for i in range(6))])
    reward = Faulty(lambda group: group.sample.id.endswith("-2"))
    settings = make_settings(tmp_path, data=data, accuracy=reward, balance=False)
    summary = prepare(settings, {}, quiet)
    assert (summary.samples, summary.unreadable, summary.unscored) == (7, 1, 1)
    printed = quiet.export_text()
    assert "sample bad [1] is left out: no image" in printed
    assert "Run the same command again" in printed


def test_an_adapter_answers(tmp_path: Path, family: Family, policy: Policy) -> None:
    """The folder that a training run leaves gives the policy that was trained."""
    policy.model.save_pretrained(str(tmp_path))
    loaded = PolicyOptions(adapter=str(tmp_path)).load(temperature=1.0)
    trained = {name: p for name, p in policy.named_parameters() if "lora_B" in name}
    found = dict(loaded.named_parameters())
    assert trained and all((found[name] == p).all() for name, p in trained.items())


def test_an_adapter_of_another_shape_is_refused(tmp_path: Path, family: Family) -> None:
    policy = load_policy("embedded", family, Lora(r=2), 1.0, torch.float32)
    policy.model.save_pretrained(str(tmp_path))
    file = tmp_path / "adapter_config.json"
    changed = json.loads(file.read_text(encoding="utf-8")) | {"r": 4}
    file.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"does not fit the model: .*size mismatch") as refused:
        PolicyOptions(adapter=str(tmp_path)).load(temperature=1.0)
    assert len(str(refused.value)) < 600


@pytest.mark.integration
def test_the_shipped_config_recovers_what_needs_the_second_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["visionthink_pl", "prepare", *BASE, "--data.init_args.length=100", "--out=out"]
    monkeypatch.setattr(sys, "argv", command)
    assert main_of_package() == 0
    summary = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))
    assert summary["agreement"] >= 0.95 and summary["agreement_over"] == summary["kept"] >= 40
    assert summary["needs_high"] == summary["low_suffices"] == summary["kept"] // 2
    read = datasets.load_from_disk("out/dataset")
    assert sum(row["info"]["use_tool"] for row in read) == summary["needs_high"]
    assert all(
        row["correct_high"] - row["correct_low"] >= 6
        if row["info"]["use_tool"]
        else row["correct_high"] == row["correct_low"] == 8
        for row in read
    )
    with Image.open("out/histogram.png") as picture:
        assert picture.size == (800, 450)
    printed = capsys.readouterr().out
    assert "agreement" in printed and "out/summary.json" in printed
