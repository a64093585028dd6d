"""Whatever a run or ``export`` wrote answers as the trainer's own ``predict`` did, whoever asks."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest
import yaml

from export_helpers import example_of, export
from lmms_helpers import load_plugin, messages
from mixed_sizes import MixedSizes
from serve_helpers import asking, data_url, served
from visionthink_pl.callbacks.trajectory_files import read_records
from visionthink_pl.commands.answering.answerer import Answerer
from visionthink_pl.commands.answering.model_options import ModelOptions
from visionthink_pl.commands.evaluate import evaluate
from visionthink_pl.commands.serve.serve import ServeOptions, application
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.rollout.conversation_options import ConversationOptions
from visionthink_pl.rollout.prompt_files import read_prompt
from visionthink_pl.types import Group, VQASample

pytestmark = pytest.mark.integration

QUESTIONS = 100
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
            "class_path": "mixed_sizes.MixedSizes",
            "init_args": {"length": QUESTIONS},
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


def samples() -> list[VQASample]:
    source = MixedSizes(QUESTIONS)
    return [sample for i in range(QUESTIONS) if isinstance(sample := source[i], VQASample)]


def answers(ckpt: Path, options: ConversationOptions | None = None) -> list[dict[str, Any]]:
    model = ModelOptions(ckpt=str(ckpt), device="cpu")
    run = model.find()
    answerer = Answerer(model, run, temperature=1.0, rows=64, seed=0)
    return [said(group) for group in answerer(samples(), options or run.options)]


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


@pytest.fixture(scope="module")
def predicted(folder: Path) -> list[dict[str, Any]]:
    """What the trainer's own ``predict`` wrote; half of the images have no second look."""
    (file,) = folder.rglob("predict.jsonl")
    lines = list(read_records(file))
    assert len(lines) == QUESTIONS
    assert 0.1 < sum(line["second_look"] for line in lines) / QUESTIONS < 0.9
    return lines


def test_plain_transformers(folder: Path, predicted: list[dict[str, Any]]) -> None:
    """The exported example, which is none of the package, a question at a time."""
    example = example_of(folder / "moved" / "merged")
    model, processor = example.load()
    for sample, line in zip(samples(), predicted, strict=True):
        turns = example.ask(model, processor, sample.images[0], sample.question)
        said = [processor.decode(turn, skip_special_tokens=True) for turn in turns]
        assert said == [turn["text"] for turn in line["turns"]]


def test_an_evaluation(folder: Path, predicted: list[dict[str, Any]], tmp_path: Path) -> None:
    data = {"class_path": "mixed_sizes.MixedSizes", "init_args": {"length": QUESTIONS}}
    config = {"benchmarks": {"drawn": {"data": data}}, "modes": ["adaptive"]}
    (tmp_path / "eval.yaml").write_text(yaml.safe_dump(config))
    model = [f"--model.ckpt={folder / 'moved' / 'merged'}", "--model.device=cpu"]
    args = ["--config", str(tmp_path / "eval.yaml"), f"--out={tmp_path}", *model]
    assert evaluate.main(args) == 0
    lines = list(read_records(tmp_path / "trajectories" / "adaptive.jsonl"))
    for name in ("sample", "answer", "second_look", "visual_tokens", "generated_tokens"):
        assert [line[name] for line in lines] == [line[name] for line in predicted]
    assert [line["turns"] for line in lines] == [line["turns"] for line in predicted]


def test_openai_s_client(folder: Path, predicted: list[dict[str, Any]]) -> None:
    """Sent at once, as data URLs."""
    model = ModelOptions(str(folder / "moved" / "merged"), device="cpu")

    def ask(client: openai.OpenAI, sample: VQASample) -> Any:
        content = asking(sample.question, *map(data_url, sample.images))
        return client.chat.completions.create(model="merged", messages=content).choices[0].message

    with served(application(ServeOptions(model))) as address, ThreadPoolExecutor(8) as pool:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
        replies = list(pool.map(lambda sample: ask(client, sample), samples()))
    assert [reply.content for reply in replies] == [line["answer"] or "" for line in predicted]
    assert [reply.second_look for reply in replies] == [line["second_look"] for line in predicted]


def test_lmms_eval_s_plug_in(
    folder: Path, predicted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = load_plugin(monkeypatch)
    model = plugin(pretrained=str(folder / "moved" / "merged"), device="cpu", batch_size=16)
    asked = samples()
    model.task_dict = {"drawn": {"test": asked}}
    greedy = {"max_new_tokens": 16, "temperature": 0, "do_sample": False}
    requests = [
        SimpleNamespace(args=(sample.question, messages, greedy, index, "drawn", "test"))
        for index, sample in enumerate(asked)
    ]
    results = model.generate_until(requests)
    assert [result.text for result in results] == [line["answer"] or "" for line in predicted]


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
