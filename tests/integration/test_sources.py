"""The command line on data of one's own: each source, two steps."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from PIL import Image

from table_helpers import png, write_jsonl, write_parquet
from visionthink_pl.commands.trainer.cli import main
from visionthink_pl.data import LookCloser

pytestmark = pytest.mark.integration

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.yaml"
ANIMALS = ["cat", "dog", "hen"]

# Laid over the quickstart: two steps of four prompts with signal, and a validation of them.
SMALL: dict[str, Any] = {
    "trainer": {
        "max_steps": 2,
        "callbacks": [],
        "logger": {
            "class_path": "lightning.pytorch.loggers.CSVLogger",
            "init_args": {"save_dir": "csv"},
        },
    },
    "data": {"prompts_per_step": 4, "validation_prompts": 4, "shuffle": True},
    "rollout": {
        "group_size": 2,
        "max_new_tokens": 8,
        "limits": {"max_pixels": 1003520},
        "max_prompt_tokens": 500,
        "rewards": [
            {"class_path": "visionthink_pl.rewards.RuleAccuracy"},
            {"class_path": "trainer_helpers.ByPlace"},
        ],
    },
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["visionthink_pl"])
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_UPDATE_DOWNLOAD_COUNTS", False)  # asks the hub


def source(name: str, **options: Any) -> dict[str, Any]:
    return {"class_path": f"visionthink_pl.data.{name}", "init_args": options}


def fit(**data: Any) -> int:
    config = SMALL | {"data": SMALL["data"] | data}
    Path("small.yaml").write_text(json.dumps(config))  # JSON is YAML
    return main(["fit", "--config", str(QUICKSTART), "--config", "small.yaml"])


def logged() -> list[dict[str, float]]:
    (file,) = Path.cwd().rglob("metrics.csv")
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def published(number: int) -> dict[str, Any]:
    sample = LookCloser(8)[number]
    sample.images[0].save("drawn.png")
    return {
        "problem": f"<image>\n{sample.question}",
        "original_answer": sample.answer,
        "images": {"bytes": Path("drawn.png").read_bytes(), "path": None},
        "info": {"use_tool": bool(sample.needs_second_look)},
        "doc_id": sample.id,
        "data_source": "drawn",
    }


def write_questions() -> None:
    """Ten multiple-choice questions about two images each; one lacks its image, one its answer,
    and one prompt is too long."""
    for colour in ("red", "blue"):
        Path(f"{colour}.png").write_bytes(png(colour, (112, 112)))
    Image.new("RGB", (800, 800)).save("large.png")
    row = {"q": "<image> or <image>?", "pics": ["red.png", "blue.png"], "options": ANIMALS}
    rows = [row | {"right": number % 3, "name": f"q{number}"} for number in range(10)]
    rows[3]["pics"] = ["red.png", "nowhere.png"]
    rows[5]["right"] = None
    rows[7]["pics"] = ["large.png", "large.png"]
    write_jsonl(Path("q.jsonl"), rows)


COLUMNS = {"question": "q", "images": "pics", "answer": "right", "choices": "options", "id": "name"}


class AboutToTrain(Exception):
    """Raised once everything is built."""


def stop(cli: object) -> None:
    raise AboutToTrain


def test_a_table_in_place_of_the_quickstart_s_validation_says_which_split_it_has(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_questions()
    command = ["fit", "--config", str(QUICKSTART), "--data.validation", "VQADataset"]
    columns = [f"--data.validation.columns.{role}={name}" for role, name in COLUMNS.items()]
    command += ["--data.validation.path=q.jsonl", *columns]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "data.validation.init_args.split: 'q.jsonl' is a file, of which all rows are" in error
    assert "set split: train, not 'validation'" in error
    monkeypatch.setattr("visionthink_pl.commands.trainer.cli.VisionThinkCLI.before_fit", stop)
    with pytest.raises(AboutToTrain):  # so it does as the error and docs/data.md say
        main([*command, "--data.validation.split=train"])


@pytest.mark.parametrize("most", [0, 20])
def test_a_folder_without_a_usable_row_stops_before_training(
    most: int, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("photos").mkdir()
    row = {"question": "What colour?", "answer": 7}
    write_jsonl(Path("photos/questions.jsonl"), [row | {"image": f"{i}.png"} for i in range(20)])
    photos = source("ImageFolder", folder="photos")
    assert fit(train=photos, validation=None, max_bad_rows=most) == 2
    error = capsys.readouterr().err
    assert "data.prompts_per_step: 4 prompts a step, but data.train has only 0 usable rows" in error
    assert "20 of 20 training rows are bad; mend them: image file is missing: 20" in error
    assert str(Path("photos/0.png").resolve()) in error
    assert "set " not in error


def test_a_table_of_choices_validated_on_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    write_questions()
    Path("photos").mkdir()
    Image.new("RGB", (88, 34), "red").save("photos/a.png")
    asked = {"image": "a.png", "question": "What colour?"}
    write_jsonl(Path("photos/questions.jsonl"), [asked | {"answer": "red"}, asked])
    questions = source("VQADataset", path="q.jsonl", columns=COLUMNS)
    data = {"train": questions, "validation": source("ImageFolder", folder="photos")}
    assert fit(**data, max_bad_rows=2) == 2  # there are three
    error = capsys.readouterr().err
    for word in (
        "3 of 10",
        "image file is missing: 1 (q3; of the first: ",
        "no answer: 1 (q5)",
        "too long: 1 (q7; of the first: ",
    ):
        assert word in error
    assert fit(**data, max_bad_rows=3) == 0
    rows = logged()
    steps = [row for row in rows if "rollout_step" in row]
    assert len(steps) == 2 and all(row["loss/grad_norm"] > 0 for row in steps)
    assert sum(row["train/unreadable"] for row in steps) <= 3
    assert all("train/accuracy/vqa" in row for row in steps)
    assert [row["val/unreadable"] for row in rows if "val/unreadable" in row][0] == 1
    (table,) = re.findall(r"Bad rows, left out: 4.*", capsys.readouterr().out, re.DOTALL)
    for name in ("q3", "q5", "q7", "questions.jsonl:2"):
        assert name in table


def test_a_stream_validated_on_published_data(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [published(number) for number in range(8)]
    write_parquet(Path("1.parquet"), rows[:5])
    write_parquet(Path("2.parquet"), rows[5:])
    Dataset.from_list(rows[:4]).save_to_disk("saved")
    columns = {
        "question": "problem",
        "images": "images",
        "answer": "original_answer",
        "id": "doc_id",
        "kind": "data_source",
        "needs_second_look": "info.use_tool",
    }
    stream = source("VQAStream", path="*.parquet", kinds=["drawn"], columns=columns, block=3)
    assert fit(train=stream, validation=source("SavedDataset", folder="saved")) == 0
    steps = [row for row in logged() if "rollout_step" in row]
    assert len(steps) == 2 and all(row["loss/grad_norm"] > 0 for row in steps)
    assert all("train/accuracy/drawn" in row for row in steps)
    assert "Bad rows" not in capsys.readouterr().out
