"""The classes that an option takes, and their options."""

import pytest

from visionthink_pl.commands.parsing.class_help import class_help
from visionthink_pl.commands.parsing.front import answered

LISTED = [
    ("fit", "model.loss", ["GRPOLoss\n", "clip_low: the probability ratio", "(default: 0.2)"]),
    ("fit", "model.advantages", ["GroupNormalised\n", "std_floor: the least std"]),
    ("fit", "model.optimizer", ["AdamW\n", "lr: peak learning rate", "variant: where its"]),
    ("plan", "model.optimizer", ["AdamW\n"]),
    ("fit", "rollout.tools", ["ResizeImage\n"]),
    ("fit", "rollout.rewards", ["FormatReward\n", "HybridAccuracy\n", "judge:", "(required)"]),
    ("fit", "rollout.first_view", ["FullView\n", "HalfView\n"]),
    ("fit", "data.train", ["ImageFolder\n", "VQAStream\n", "folder:"]),
    ("prepare", "accuracy", ["RuleAccuracy\n", "units:"]),
]


@pytest.mark.parametrize(("verb", "key", "phrases"), LISTED)
def test_classes_are_listed_with_their_options(verb: str, key: str, phrases: list[str]) -> None:
    said = class_help(verb, [f"--{key}.help"])
    assert said is not None and said.startswith(f"Classes for --{key};")
    assert [phrase for phrase in phrases if phrase not in said + "\n"] == []
    assert max(map(len, said.splitlines())) <= 100


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--model.loss.help", "GRPOLoss"],  # one class: the parser explains it
        ["--model.micro_batch_size.help"],
        ["--nothing.like_it.help"],
        ["--config", "a.yaml"],
    ],
)
def test_other_arguments_are_left_to_the_parser(args: list[str]) -> None:
    assert class_help("fit", args) is None


def test_the_list_is_printed_at_once(capsys: pytest.CaptureFixture) -> None:
    assert answered(["fit", "--model.loss.help"])
    assert "GRPOLoss" in capsys.readouterr().out
