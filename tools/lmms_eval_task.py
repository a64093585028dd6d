"""Writes a small task for lmms-eval: drawn questions, whose answers the embedded model knows.

python tools/lmms_eval_task.py FOLDER [QUESTIONS]
"""

from __future__ import annotations

import sys
from pathlib import Path

from datasets import Dataset, Features, Image, Value

from visionthink_pl.data import LookCloser
from visionthink_pl.types import VQASample

NAME = "lookcloser_local"
TASK = """\
task: {name}
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: generate_until
doc_to_visual: !function lookcloser_utils.visual
doc_to_text: !function lookcloser_utils.text
doc_to_target: answer
generation_kwargs: {{max_new_tokens: 3, temperature: 0, do_sample: false}}
process_results: !function lookcloser_utils.results
metric_list: [{{metric: right, aggregation: mean, higher_is_better: true}}]
metadata: [{{version: 0.0}}]
"""
UTILS = """\
def visual(doc):
    return [doc["image"].convert("RGB")]


def text(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]


def results(doc, answers):
    return {"right": float(answers[0] == doc["answer"])}
"""


def write(folder: Path, questions: int) -> None:
    """Write the data set, the task and its functions."""
    folder.mkdir(parents=True, exist_ok=True)
    source = LookCloser(questions, "validation")
    samples = [row for i in range(questions) if isinstance(row := source[i], VQASample)]
    rows = [
        {"image": sample.images[0], "question": sample.question, "answer": sample.answer}
        for sample in samples
    ]
    kinds = {"image": Image(), "question": Value("string"), "answer": Value("string")}
    file = (folder / "test.parquet").resolve()
    Dataset.from_list(rows, features=Features(kinds)).to_parquet(file)
    (folder / f"{NAME}.yaml").write_text(TASK.format(name=NAME, file=file))
    (folder / "lookcloser_utils.py").write_text(UTILS)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 24)
