"""The verb: modes side by side, resumed, compared, refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainer_helpers import Plain, make_data, make_module, make_rollout, make_trainer
from visionthink_pl.callbacks import AdapterCheckpoint
from visionthink_pl.commands.answering.model_options import ModelOptions
from visionthink_pl.commands.answering.modes import modes_of
from visionthink_pl.commands.evaluate import evaluation_run as run_module
from visionthink_pl.commands.evaluate.evaluate import main
from visionthink_pl.rewards import RuleAccuracy
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.types import ConfigError

DATA = {"class_path": "visionthink_pl.data.LookCloser", "init_args": {"length": 12}}
ALL_MODES = ["adaptive", "always_low", "always_high", {"fixed_ratio": 0.5}]


def config(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "benchmarks": {"lookcloser": {"data": DATA}},
        "out": str(folder / "out"),
        "modes": ALL_MODES,
        "prompts_per_batch": 5,
    } | changes


def evaluate(folder: Path, *args: str, **changes: Any) -> tuple[int, dict[str, Any]]:
    folder.mkdir(exist_ok=True, parents=True)
    file = folder / "eval.yaml"
    file.write_text(yaml.safe_dump(config(folder, **changes)))
    code = main(["--config", str(file), *args])
    summary = folder / "out" / "summary.json"
    return code, json.loads(summary.read_text()) if summary.is_file() else {}


def records(folder: Path, mode: str) -> list[dict[str, Any]]:
    file = folder / "out" / "trajectories" / f"{mode}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


def same(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def test_modes_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    code, summary = evaluate(tmp_path)
    assert code == 0
    modes = summary["modes"]
    assert list(modes) == ["adaptive", "always_low", "always_high", "fixed_ratio_0.5"]
    ratios = {name: mode["visual_token_ratio"] for name, mode in modes.items()}
    assert ratios["always_low"] == 0.25 and ratios["always_high"] == 1.0
    assert ratios["fixed_ratio_0.5"] == 9 / 16  # 79 pixels of 112: three tokens a side
    assert modes["always_high"]["share_of_full"] == 1.0
    assert all(mode["resize_rate"] == 0 for name, mode in modes.items() if name != "adaptive")
    assert all(mode["benchmarks"]["lookcloser"]["questions"] == 12 for mode in modes.values())
    assert len(summary["tests"]) == 6
    assert (tmp_path / "out" / "modes.png").stat().st_size > 10_000
    for mode, shown in (("always_low", (56, 56)), ("always_high", (112, 112))):
        for line in records(tmp_path, mode):
            assert [(i["width"], i["height"]) for i in line["images"]] == [shown]
            assert not line["tools_offered"] and len(line["turns"]) == 1
    assert "always_high" in capsys.readouterr().out


def test_a_killed_evaluation_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    evaluate(whole)
    answered, read = 0, run_module.Evaluation._read

    def stops(self: Any, *args: Any) -> Any:
        nonlocal answered
        answered += 1
        if answered == 6:
            raise KeyboardInterrupt
        return read(self, *args)

    monkeypatch.setattr(run_module.Evaluation, "_read", stops)
    assert evaluate(cut)[0] == 130
    assert "the same command resumes" in capsys.readouterr().out
    file = cut / "out" / "trajectories" / "always_low.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-2]) + lines[-2][:40])  # a kill within a batch
    monkeypatch.setattr(run_module.Evaluation, "_read", read)
    code, summary = evaluate(cut)
    assert code == 0 and summary["modes"]["always_low"]["benchmarks"]["lookcloser"]["questions"]
    for mode in ("adaptive", "always_low", "always_high", "fixed_ratio_0.5"):
        assert same(records(cut, mode)) == same(records(whole, mode))
    monkeypatch.setattr(run_module, "Answerer", None)  # all is there: no model is loaded
    assert evaluate(cut)[0] == 0


def test_a_checkpoint_answers_as_its_run_did(tmp_path: Path) -> None:
    """Against the trainer's own validation, with limits and lengths that are not the defaults."""
    rollout = make_rollout(rewards=[RuleAccuracy()], max_new_tokens=17, filters=[])
    saves = AdapterCheckpoint(str(tmp_path))
    first = make_rollout(max_new_tokens=17)
    trainer = make_trainer(tmp_path, first, saves, enable_checkpointing=True)
    module = make_module()
    trainer.fit(module, make_data())
    (ckpt,) = tmp_path.glob("*.ckpt")
    settings = {"rollout": {"max_new_tokens": 17}, "model": {"lora": {"r": 4, "alpha": 32}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"trainer": {}, **settings}))
    watch = make_trainer(tmp_path / "v", rollout, limit_predict_batches=9)
    expected = watch.predict(module, datamodule=make_data(predict=Plain(6)))
    data = {"class_path": "trainer_helpers.Plain", "init_args": {"length": 6}}
    for name in (ckpt, ckpt.with_suffix("")):
        code, _ = evaluate(
            tmp_path / name.suffix.strip("."),
            benchmarks={"plain": {"data": data}},
            modes=["adaptive"],
            model={"ckpt": str(name)},
        )
        assert code == 0
        found = records(tmp_path / name.suffix.strip("."), "adaptive")
        turns = [[turn["text"] for turn in line["turns"]] for line in found]
        assert turns == [row["turns"] for batch in expected for row in batch]
    base = ModelOptions()
    assert base.find().options == ConversationOptions()


REFUSED = [
    ({"modes": ["adaptiv"]}, "modes: adaptive, always_low, always_high or fixed_ratio: R"),
    ({"modes": [{"fixed_ratio": 1.5}]}, "fixed_ratio: R with R above 0 and at most 1"),
    ({"modes": ["adaptive", "adaptive"]}, "modes: at least one, each once"),
    ({"modes": []}, "modes: at least one, each once, not none"),
    ({"benchmarks": {}}, "benchmarks: at least one"),
    ({"model": {"ckpt": "no_such.ckpt"}}, "there is no file 'no_such.ckpt'"),
    ({"baseline": "nowhere"}, "baseline: there is no summary.json in 'nowhere'"),
    ({"limit": 0}, "limit: at least 1"),
    ({"benchmarks": {"b": {"dat": DATA}}}, "did you mean benchmarks.b.data?"),
    (
        {"benchmarks": {"b": {"data": DATA, "accuracy": "FormatReward"}}},
        "a reward that says what is correct, such as RuleAccuracy, not FormatReward",
    ),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED)
def test_mistakes_are_refused_in_one_line(
    changes: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    code, _ = evaluate(tmp_path, **changes)
    err = capsys.readouterr().err
    assert code == 2 and said in err and err.count("\n") == 1
    assert not list(tmp_path.rglob("*.jsonl"))


def test_answers_of_other_settings_are_not_mixed(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    evaluate(tmp_path, modes=["always_low"], limit=5)
    assert evaluate(tmp_path, modes=["always_low"], limit=5, rows=8)[0] == 0
    code, _ = evaluate(tmp_path, modes=["always_low"], limit=6)
    assert code == 2 and "were made with other limit, questions" in capsys.readouterr().err


def test_bad_rows_are_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data = {"class_path": "trainer_helpers.Plain", "init_args": {"length": 6, "bad": [1, 5]}}
    code, summary = evaluate(
        tmp_path, benchmarks={"plain": {"data": data}}, modes=["always_low"], rollouts=2
    )
    found = summary["modes"]["always_low"]["benchmarks"]["plain"]
    assert code == 0 and found["questions"] == 4 and found["unreadable"] == 4 / 2
    assert "plain-1 is left out: made so" in capsys.readouterr().out
    assert "avg@2" in found


def test_against_another_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    evaluate(tmp_path / "first", modes=["always_low"])
    baseline = str(tmp_path / "first" / "out")
    code, summary = evaluate(tmp_path / "second", modes=["always_low"], baseline=baseline)
    assert code == 0
    assert summary["tests"] == [
        {"mode": "always_low", "baseline": baseline, "difference": 0.0, "p": 1.0}
    ]
    code, _ = evaluate(tmp_path / "third", modes=["always_low"], baseline=baseline, limit=5)
    assert code == 2 and "holds answers to other questions" in capsys.readouterr().err


def test_modes_keep_the_run_s_prompt_for_one_look() -> None:
    options = ConversationOptions(max_new_tokens=9, prompt_without_tools="one_look")
    for mode in modes_of(ALL_MODES, options)[1:]:
        assert not mode.options.offered and mode.options.max_turns == 1
        assert mode.options.text_without_tools == options.text_without_tools
        assert mode.options.max_new_tokens == 9 and mode.options.limits == options.limits
    with pytest.raises(ConfigError, match="not 3"):
        modes_of([3], options)  # type: ignore[list-item]
