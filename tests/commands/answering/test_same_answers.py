"""Whatever a run or ``export`` wrote answers as the trainer's own ``predict`` did."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from export_helpers import export
from visionthink_pl.callbacks.trajectory_files import read_records
from visionthink_pl.commands.answering.answerer import Answerer
from visionthink_pl.commands.answering.model_options import ModelOptions
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.data import LookCloser
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.prompt_files import read_prompt
from visionthink_pl.types import Group

pytestmark = pytest.mark.integration

QUESTIONS = 20
# No defaults: limits, lengths, prompt. A full image of 84 x 84 has 9 visual tokens.
RUN = {
    "trainer": {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": 1,
        "limit_train_batches": 3,
        "precision": "32-true",
        "callbacks": ["visionthink_pl.callbacks.AdapterCheckpoint"],
        "enable_progress_bar": False,
    },
    "model": {"lora": {"r": 4, "alpha": 8}, "optimizer": {"lr": 4e-3}},
    "data": {
        "train": {"class_path": "visionthink_pl.data.LookCloser", "init_args": {"length": 24}},
        "predict": {
            "class_path": "visionthink_pl.data.LookCloser",
            "init_args": {"length": QUESTIONS, "split": "validation"},
        },
        "prompts_per_step": 8,
    },
    "rollout": {
        "group_size": 8,
        "max_new_tokens": 33,
        "limits": {"max_pixels": 84 * 84},
        "prompt": "mine.txt",
        "rewards": [{"class_path": "trainer_helpers.PaysSecondLooks"}],
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps, what it predicts, and both exports, which were moved since."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "mine.txt").write_text(read_prompt("look_closer").replace("which is shown", "shown"))
    (folder / "run.yaml").write_text(yaml.safe_dump(RUN))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["visionthink_pl"])
        assert main(["fit", "--config", "run.yaml"]) == 0
        (ckpt,) = folder.rglob("*.ckpt")
        assert main(["predict", "--config", "run.yaml", "--ckpt_path", str(ckpt)]) == 0
        export(ckpt, folder / "a" / "adapter")
        export(ckpt, folder / "a" / "merged", "--merge")
    shutil.move(folder / "a", folder / "moved")
    return folder


def places(folder: Path) -> dict[str, Path]:
    (ckpt,) = folder.rglob("*.ckpt")
    exported = {name: folder / "moved" / name for name in ("adapter", "merged")}
    return {"ckpt": ckpt, "adapter folder": ckpt.with_suffix("")} | exported


def said(group: Group) -> dict[str, Any]:
    (trajectory,) = group.trajectories
    return {
        "sample": group.sample.id,
        "answer": trajectory.answer,
        "second_look": trajectory.high,
        "visual_tokens": trajectory.visual_tokens,
        "generated_tokens": trajectory.response_tokens,
        "turns": [turn.text for turn in trajectory.turns],
    }


def answers(ckpt: Path, options: ConversationOptions | None = None) -> list[dict[str, Any]]:
    model = ModelOptions(ckpt=str(ckpt), device="cpu")
    run = model.find()
    answerer = Answerer(model, run, temperature=1.0, rows=64, seed=0)
    source = LookCloser(QUESTIONS, "validation")
    return [
        said(g) for g in answerer([source[i] for i in range(QUESTIONS)], options or run.options)
    ]


@pytest.mark.parametrize("which", ["ckpt", "adapter folder", "adapter", "merged"])
def test_the_same_answers(
    folder: Path, which: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if which in ("adapter", "merged"):
        monkeypatch.chdir(tmp_path)  # no prompt lies here
    else:
        monkeypatch.chdir(folder)
    (file,) = folder.rglob("predict.jsonl")
    expected = [
        {key: line[key] for key in ("sample", "answer", "second_look")}
        | {key: line[key] for key in ("visual_tokens", "generated_tokens")}
        | {"turns": [turn["text"] for turn in line["turns"]]}
        for line in read_records(file)
    ]
    assert len(expected) == QUESTIONS
    assert answers(places(folder)[which]) == expected
    assert any(line["second_look"] for line in expected), "no second turn was compared"


def test_negative_control_other_limits_and_lengths_answer_otherwise(folder: Path) -> None:
    merged = folder / "moved" / "merged"
    assert answers(merged) != answers(merged, ConversationOptions())


def test_what_an_export_carries(folder: Path) -> None:
    for name in ("adapter", "merged"):
        carried = yaml.safe_load((folder / "moved" / name / "config.yaml").read_text())
        assert carried.keys() == {"trainer", "model", "rollout"}
        assert carried["model"]["pretrained"] == "embedded"
        assert carried["rollout"]["prompt"] == "prompt.txt"
        assert carried["rollout"]["max_new_tokens"] == 33
        assert "rewards" not in carried["rollout"] and "group_size" not in carried["rollout"]
        assert str(folder) not in yaml.safe_dump(carried)


def test_without_a_known_config_none_is_written(folder: Path, tmp_path: Path) -> None:
    source = places(folder)["adapter folder"]
    alone = tmp_path / "x" / "y" / "adapter"
    shutil.copytree(source, alone)
    out = export(alone, tmp_path / "out", "--pretrained", "embedded")
    assert not list(out.glob("*.txt")) and not (out / "config.yaml").exists()
