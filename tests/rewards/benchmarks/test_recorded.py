"""Scores are those of lmms-eval's own functions on recorded answers.

``tools/compare_lmms_eval.py --answers 30 --record tests/rewards/benchmarks/lmms_eval_scores.json``
writes them.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rewards.benchmarks.stand_in_judge import Replies
from visionthink_pl.rewards.benchmarks import (
    MME,
    MMMU,
    POPE,
    Answered,
    Benchmark,
    ChartQA,
    DocVQA,
    InfoVQA,
    MathVerse,
    MathVista,
    MMBench,
    MMMUPro,
    MMVet,
    OCRBench,
    RealWorldQA,
    TextVQA,
)
from visionthink_pl.types import VQASample

FILE = Path(__file__).with_name("lmms_eval_scores.json")
RECORDED: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text(encoding="utf-8"))
PLAIN: dict[str, Callable[[], Benchmark]] = {
    "ChartQA": ChartQA,
    "DocVQA": DocVQA,
    "InfoVQA": InfoVQA,
    "OCRBench": OCRBench,
    "TextVQA": TextVQA,
    "MME": MME,
    "POPE": POPE,
    "RealWorldQA": RealWorldQA,
    "MMMU": MMMU,
    "MMMU-Pro": MMMUPro,
    "MMMU-Pro, vision": lambda: MMMUPro("exact"),
    "MMBench": MMBench,
}
JUDGED = {"MathVista": MathVista, "MathVerse": MathVerse, "MM-Vet": MMVet}
IMAGE = Image.new("RGB", (28, 28))


def answered(row: Mapping[str, Any]) -> Answered:
    first, *others = row["truths"]
    fields = row["fields"] | {"options": tuple(row["fields"]["options"])}
    sample = VQASample(answer=first, other_answers=tuple(others), images=(IMAGE,), **fields)
    return Answered(sample, row["answer"])


def benchmark(name: str) -> Benchmark:
    if name in PLAIN:
        return PLAIN[name]()
    replies = {row["answer"].strip(): row["reply"] for row in RECORDED[name]}
    return JUDGED[name](Replies(replies))


def test_all_are_recorded() -> None:
    assert set(RECORDED) == set(PLAIN) | set(JUDGED)


@pytest.mark.parametrize("name", RECORDED)
def test_scores_are_lmms_eval_s(name: str) -> None:
    rows = RECORDED[name]
    scores = benchmark(name).score([answered(row) for row in rows])
    theirs = [row["score"] for row in rows]
    same = [abs(one - other) < 1e-9 for one, other in zip(scores, theirs, strict=True)]
    assert same == [not row["differs"] for row in rows]
    assert 0.05 < sum(map(bool, scores)) / len(scores) < 1  # right ones and, mostly, wrong ones
    assert sum(same) >= 0.8 * len(rows)


@pytest.mark.parametrize("name", RECORDED)
def test_the_control_other_answers_get_other_scores(name: str) -> None:
    rows = RECORDED[name]
    moved = [row | {"answer": other["answer"]} for row, other in zip(rows, rows[1:], strict=False)]
    scores = benchmark(name).score([answered(row) for row in moved])
    assert scores != [row["score"] for row in rows[:-1]]
