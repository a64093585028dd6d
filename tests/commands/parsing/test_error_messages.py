"""Errors are one line, with the key in the config."""

import pytest

from visionthink_pl.commands.parsing.error_messages import config_error, explain, one_line, with_key
from visionthink_pl.types import ConfigError

CONFIG = {
    "model": {"loss": {"class_path": "visionthink_pl.losses.GRPOLoss", "init_args": {}}},
    "data": {
        "train": {"class_path": "visionthink_pl.data.LookCloser"},
        "validation": {"class_path": "LookCloser"},
        "test": None,
    },
    "rollout": {"rewards": [{"class_path": "a.RuleAccuracy"}, {"class_path": "a.ResizePenalty"}]},
}


@pytest.mark.parametrize(
    ("message", "expected", "why"),
    [
        ("GRPOLoss.clip_low: no", "model.loss.init_args.clip_low: no", "one place"),
        ("ResizePenalty.theta: no", "rollout.rewards[1].init_args.theta: no", "in a list"),
        (
            "LookCloser.mix: no",
            "data.train.init_args.mix or data.validation.init_args.mix: no",
            "two places",
        ),
        ("Elsewhere.option: no", "Elsewhere.option: no", "nowhere in the config"),
        ("model.lora.r: no", "model.lora.r: no", "a key already"),
    ],
)
def test_with_key(message: str, expected: str, why: str) -> None:
    assert with_key(message, CONFIG) == expected, why


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("unrecognized arguments: --a.bcd=1", "unknown key a.bcd; did you mean a.bce?"),
        ('Key "zzzzzz" is not expected', "unknown key zzzzzz"),
        (
            "Parser key \"a.bce\":\n  Expected a <class 'int'>. Got value: x",
            "a.bce: Expected a int.",
        ),
        (
            'Parser key "a.bce":\n  1 validation error for constrained-int\n  Input should be at '
            "least 2 [type=x, input_value=1]\n    For further information visit https://a.b/c. "
            "Got value: 1",
            "a.bce: Input should be at least 2. Got value: 1",
        ),
        (
            'Parser key "a.bce":\n  Expected an instantiatable class, but '
            "visionthink_pl.rewards.Reward is abstract",
            "a.bce: class Reward has to define score, in its body",
        ),
        (
            'Parser key "a.bce":\n  Errors:\n    - Expected an instantiatable class, but is '
            "abstract\n  Given value: visionthink_pl.data.Stream",
            "a.bce: class Stream has to define kinds, read, in its body",
        ),
        ("something\n  else", "something else"),
    ],
)
def test_explain(message: str, expected: str) -> None:
    assert explain(message, ["a.bce", "other"]).startswith(expected)


def test_the_config_error_is_found_behind_a_wrapper() -> None:
    mistake = ConfigError("model.lora.r: at least 1")
    wrapped = ValueError("outer")
    wrapped.__cause__ = mistake
    assert config_error(wrapped) is mistake
    assert config_error(ValueError("a bug")) is None
    assert one_line("a  b\n c <class 'str'>") == "a b c str"
