"""A judge in this process, on a small model made on the spot."""

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from transformers import dynamic_module_utils

from tiny_judge import RIGHT, UNKNOWN, WRONG
from visionthink_pl.rewards import LocalJudge
from visionthink_pl.rewards.judge import Case, JudgeFailure
from visionthink_pl.types import ConfigError


def make_judge(folder: Path, **options: Any) -> LocalJudge:
    given = {"model": str(folder), "prompt": str(folder / "prompt.txt"), "max_characters": 100}
    return LocalJudge(**given | {"device": "cpu", "max_new_tokens": 12} | options)


@pytest.mark.parametrize("batch_size", [1, 2, 8])
@pytest.mark.parametrize("offload", [False, True])
def test_verdicts(tiny_judge: Path, batch_size: int, offload: bool) -> None:
    judge = make_judge(tiny_judge, batch_size=batch_size, offload=offload)
    right, wrong, unknown = (judge.submit(case) for case in (RIGHT, WRONG, UNKNOWN))
    assert not right.done()  # it waits until all have been handed in
    judge.flush()
    assert (right.result(0), wrong.result(0)) == (1, 0)
    with pytest.raises(JudgeFailure, match="no verdict in its reply 'It is round.'"):
        unknown.result(0)


def test_it_is_asked_once_more_and_a_case_once(
    tiny_judge: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = make_judge(tiny_judge)
    batches: list[list[str]] = []
    generate = judge._generate
    monkeypatch.setattr(judge, "_generate", lambda texts: batches.append(texts) or generate(texts))
    futures = [judge.submit(case) for case in (RIGHT, UNKNOWN, RIGHT, WRONG)]
    assert futures[0] is futures[2]
    judge.flush()
    assert [len(batch) for batch in batches] == [3, 1]
    assert "It is round." in batches[1][0] and "no grade that can be read" in batches[1][0]
    judge.flush()  # nothing has been handed in since
    assert len(batches) == 2


def test_thinking_is_off_and_a_reply_that_is_cut_off_is_no_verdict(
    tiny_judge: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = make_judge(tiny_judge, max_new_tokens=2)
    future = cut.submit(RIGHT)
    cut.flush()
    with pytest.raises(JudgeFailure, match="no verdict in its reply ''"):
        future.result(0)
    # the control: with thinking on, the same model comes to no end
    judge = make_judge(tiny_judge)
    judge.setup()
    render = judge._tokenizer.apply_chat_template
    monkeypatch.setattr(
        judge._tokenizer,
        "apply_chat_template",
        lambda *args, **options: render(*args, **options | {"enable_thinking": True}),
    )
    future = judge.submit(RIGHT)
    judge.flush()
    with pytest.raises(JudgeFailure):
        future.result(0)


def test_greedy_whatever_the_model_s_own_settings_say(tiny_judge: Path) -> None:
    """Its generation config asks for a temperature of 5."""
    for _ in range(3):
        judge = make_judge(tiny_judge)
        future = judge.submit(WRONG)
        judge.flush()
        assert future.result(0) == 0


def test_weights_are_loaded_once_and_late(tiny_judge: Path) -> None:
    judge = make_judge(tiny_judge)
    assert judge._model is None
    judge.setup()
    model = judge._model
    judge.setup()
    assert judge._model is model
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_four_bits(tiny_judge: Path) -> None:
    judge = make_judge(tiny_judge, four_bit=True)
    judge.setup()
    kinds = {type(module).__name__ for module in judge._model.modules()}
    assert "Linear4bit" in kinds
    future = judge.submit(Case("Q", "red", "red"))
    judge.flush()
    assert future.done()  # so small a model may not keep its verdicts in 4 bits


@pytest.mark.parametrize("trusted", [False, True])
def test_code_of_a_model_runs_where_it_is_trusted_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    config = {"model_type": "stranger", "auto_map": {"AutoConfig": "stranger.StrangerConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "stranger.py").write_text("raise ValueError('it ran')")
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("it asked on the terminal"))
    expected = "it ran" if trusted else "`trust_remote_code=True`"
    with pytest.raises(ConfigError, match=f"(?s)LocalJudge.model: .*{expected}"):
        LocalJudge(str(tmp_path), trust_remote_code=trusted)


BAD = [
    ({"model": "./nowhere"}, "LocalJudge.model: can't load './nowhere'"),
    ({"four_bit": True, "offload": True}, "LocalJudge.offload"),
    ({"prompt": "nowhere"}, "LocalJudge.prompt: no file"),
    ({"device": "gpu"}, "LocalJudge.device: "),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message for _, message in BAD])
def test_impossible_options_stop_in_the_constructor(
    tiny_judge: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_judge(tiny_judge, **options)
