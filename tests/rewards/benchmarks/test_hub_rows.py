"""The configs that ship, on tables of the hub's columns: what is asked, and how it is scored."""

import json
import re
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from hub_tables import TABLES, write_hub
from visionthink_pl.commands.evaluate import evaluate
from visionthink_pl.commands.evaluate.evaluation_settings import EvaluationSettings
from visionthink_pl.rewards import APIJudge
from visionthink_pl.rewards.benchmarks import Answered
from visionthink_pl.rewards.judge import Case

CONFIGS = Path(__file__).parents[3] / "configs" / "eval"
PAGE = CONFIGS.parents[1] / "docs" / "benchmarks.md"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml") if path.stem != "lookcloser")
WORD = "\nAnswer the question using a single word or phrase."
LETTER = "\n\nAnswer with the option's letter from the given choices directly."
# What is asked about the first row of each benchmark.
ASKED = {
    "chartqa": "What share?\nAnswer the question with a single word.",
    "docvqa": f"Who?{WORD}",
    "infovqa": f"Who?{WORD}",
    "ocrbench": "What is written in the image?",
    "textvqa": f"what brand?{WORD}",
    "mme": f"Is the output 0?{WORD}",
    "pope": f"Is there a dog?{WORD}",
    "realworldqa": "Where?\n\nA. Left\nB. Right\nPlease answer directly.",
    "mathvista": "Hint: ...\nQuestion: How long?",
    "mathverse": "Please directly answer the question.\nQuestion: Find angle x.",
    "mmmu": f"<image 1> Which of these is it?\nA. Oil paint\nB. Artist's ink\nC. Chalk{LETTER}",
    "mmbench": "Which is larger?\nA. the red one\nB. the blue one\n"
    "Answer with the option's letter from the given choices directly.",
    "mmvet": "First please perform reasoning, and think step by step to provide best answer to "
    "the following question: \n\nWhat is x in the equation?",
}


@pytest.fixture(autouse=True)
def _hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's tables below the working directory, and a judge that says 1 of the truth."""

    def submit(judge: APIJudge, case: Case) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(float(case.answer.replace("<AND>", " [AND] ") == case.truth))
        return future

    write_hub(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setattr(APIJudge, "setup", lambda judge: None)
    monkeypatch.setattr(APIJudge, "submit", submit)


def settings_of(name: str, monkeypatch: pytest.MonkeyPatch) -> EvaluationSettings:
    """Those of a config, built."""
    monkeypatch.setattr(evaluate, "evaluate", lambda settings, *_: settings)
    return evaluate.run(["--config", str(CONFIGS / f"{name}.yaml")])


@pytest.mark.parametrize("name", NAMES)
def test_truths_are_right_and_other_answers_wrong(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(name, monkeypatch)
    for each in settings.benchmarks.values():
        samples = [each.data[index] for index in range(len(each.data))]
        truths = [s.answer[0] if s.options else s.answer for s in samples]  # a letter, of options
        right = [Answered(sample, truth) for sample, truth in zip(samples, truths, strict=True)]
        wrong = [Answered(sample, "something else") for sample in samples]
        assert each.benchmark.score(right) == [1.0] * len(samples)
        assert each.benchmark.score(wrong) == [0.0] * len(samples)
        assert each.benchmark.summarise(right, [1.0] * len(samples))["score"] == 1.0
        assert each.benchmark.summarise(wrong, [0.0] * len(samples))["score"] == 0.0


@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (each,) = settings_of(name, monkeypatch).benchmarks.values()
    assert each.data[0].question == ASKED[name]


def test_the_config_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "two.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(evaluate, "evaluate", lambda settings, *_: settings)
    settings = evaluate.run(["--config", "two.yaml"])
    pope = settings.benchmarks["pope"]
    (sample,) = [s for index in range(3) if (s := pope.data[index]).answer == "yes"]
    unread = [Answered(sample, "yes"), Answered(sample, "maybe")]
    figures = pope.benchmark.summarise(unread, pope.benchmark.score(unread))
    assert figures["recall"] == 0.5  # as ``neither: "no"`` counts


@pytest.mark.integration
@pytest.mark.parametrize("name", ["mmbench", "mmmu_pro", "mme", "mmvet"])
def test_a_config_is_evaluated(name: str, capsys: pytest.CaptureFixture) -> None:
    """The embedded model answers, in one mode."""
    config = str(CONFIGS / f"{name}.yaml")
    args = ["--config", config, "--modes=[adaptive]", "--out=out", "--model.device=cpu"]
    assert evaluate.main(args) == 0, capsys.readouterr().err
    benchmarks = json.loads(Path("out/summary.json").read_text())["modes"]["adaptive"]["benchmarks"]
    paths = {"mmbench": "MMBench", "mmmu_pro": "MMMU_Pro", "mme": "MME", "mmvet": "MMVet"}
    rows = sum(len(table.rows) for table in TABLES if table.path.endswith(f"/{paths[name]}"))
    assert sum(each["questions"] for each in benchmarks.values()) == rows
