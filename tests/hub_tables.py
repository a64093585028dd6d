"""Small tables with the names, splits, columns and types of the published benchmarks on the hub,
as folders that ``datasets`` reads as it reads the hub's: by the configs in their README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Pillow

TEXT, WHOLE, REAL, PICTURE = Value("string"), Value("int64"), Value("float64"), Image()
TEXTS = List(TEXT)
PIXELS = Pillow.new("RGB", (56, 56), "teal")
MMMU_IMAGES = {f"image_{number}": PICTURE for number in range(1, 8)}
MATHVISTA_METADATA = {"category": TEXT, "context": TEXT, "grade": TEXT}


@dataclass(frozen=True)
class HubTable:
    """A table: ``rows`` give what matters, and other columns are filled."""

    path: str
    split: str
    columns: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    config: str = "default"


def filler(kind: Any) -> Any:
    """Any value of a column's type."""
    if isinstance(kind, Image):
        return PIXELS
    if isinstance(kind, Mapping):
        return {name: filler(value) for name, value in kind.items()}
    if isinstance(kind, List):
        return [filler(kind.feature)]
    return {"string": "x", "int64": 1, "float64": 1.0}[kind.dtype]


def texts(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, TEXT)


TABLES = (
    HubTable(
        "lmms-lab/ChartQA",
        "test",
        texts("type", "question", "answer") | {"image": PICTURE},
        [
            {"question": "What share?", "answer": "14", "type": "human_test"},
            {"question": "Which colour?", "answer": "Teal", "type": "augmented_test"},
        ],
    ),
    *(
        HubTable(
            "lmms-lab/DocVQA",
            "validation",
            texts("questionId", "question") | {"image": PICTURE, "answers": TEXTS} | more,
            [{"questionId": "5", "question": "Who?", "answers": ["J. Doe", "John Doe"]}],
            config,
        )
        for config, more in (
            ("DocVQA", {"question_types": TEXTS, "docId": WHOLE} | texts("data_split")),
            ("InfographicVQA", {"answer_type": TEXTS} | texts("image_url", "ocr", "data_split")),
        )
    ),
    HubTable(
        "echo840/OCRBench",
        "test",
        texts("dataset", "question", "question_type") | {"answer": TEXTS, "image": PICTURE},
        [
            {
                "dataset": "IIIT5K",
                "question": "What is written in the image?",
                "question_type": "Regular Text Recognition",
                "answer": ["CENTRE"],
            },
            {
                "dataset": "HME100k",
                "question": "Write the expression in LaTeX.",
                "question_type": "Handwritten Mathematical Expression Recognition",
                "answer": ["x ^ { 2 }"],
            },
        ],
    ),
    HubTable(
        "lmms-lab/textvqa",
        "validation",
        texts("image_id", "question", "flickr_original_url", "set_name")
        | {"question_id": WHOLE, "image_width": WHOLE, "answers": TEXTS, "image": PICTURE}
        | {"question_tokens": TEXTS, "image_classes": TEXTS, "ocr_tokens": TEXTS},
        [{"question": "what brand?", "answers": ["nokia"] * 8 + ["toshiba", "nokia 3310"]}],
    ),
    HubTable(
        "lmms-lab/MME",
        "test",
        texts("question_id", "question", "answer", "category") | {"image": PICTURE},
        [
            {
                "question_id": "code_reasoning/0020.png",
                "category": "code_reasoning",
                "question": f"Is the output {word}? Please answer yes or no.",
                "answer": answer,
            }
            for word, answer in (("0", "Yes"), ("1", "No"))
        ],
    ),
    HubTable(
        "lmms-lab/POPE",
        "test",
        texts("id", "question_id", "question", "answer", "image_source", "category")
        | {"image": PICTURE},
        [
            {"id": str(i), "question": f"Is there a {what}?", "answer": answer, "category": kind}
            for i, (what, answer, kind) in enumerate(
                [("dog", "yes", "random"), ("cat", "no", "popular"), ("cow", "no", "adversarial")]
            )
        ],
    ),
    HubTable(
        "lmms-lab/RealWorldQA",
        "test",
        texts("question", "answer", "image_path") | {"image": PICTURE},
        [
            {"question": "Where?\n\nA. Left\nB. Right\nPlease answer directly.", "answer": "B"},
            {"question": "How many cars?\nPlease answer directly.", "answer": "3"},
        ],
    ),
    HubTable(
        "AI4Math/MathVista",
        "testmini",
        texts("pid", "question", "image", "unit", "answer", "question_type", "answer_type", "query")
        | {"decoded_image": PICTURE, "choices": TEXTS, "precision": REAL}
        | {"metadata": MATHVISTA_METADATA},
        [
            {
                "pid": "1",
                "answer": "1.2",
                "question_type": "free_form",
                "answer_type": "float",
                "choices": None,
                "precision": 1.0,
                "query": "Hint: ...\nQuestion: How long?",
            },
            {
                "pid": "2",
                "answer": "145°",
                "question_type": "multi_choice",
                "answer_type": "text",
                "choices": ["135°", "140°", "145°", "150°"],
                "precision": None,
                "query": "Question: x?\nChoices:\n(A) 135°\n(B) 140°\n(C) 145°\n(D) 150°",
            },
        ],
    ),
    HubTable(
        "CaraJ/MathVerse-lmmseval",
        "testmini",
        texts("sample_index", "problem_index", "problem_version", "question", "answer")
        | texts("question_type", "query_wo", "query_cot", "question_for_eval")
        | {"image": PICTURE, "metadata": texts("split", "source", "subject", "subfield")},
        [
            {
                "sample_index": "1",
                "problem_version": "Text Dominant",
                "question_for_eval": "Find angle x.",
                "query_wo": "Please directly answer the question.\nQuestion: Find angle x.",
                "answer": "A",
            }
        ],
        "testmini",
    ),
    HubTable(
        "lmms-lab/MMMU",
        "validation",
        texts("id", "question", "options", "explanation", "img_type", "answer")
        | texts("topic_difficulty", "question_type", "subfield")
        | MMMU_IMAGES,
        [
            {
                "id": "validation_Art_1",
                "question": "<image 1> Which of these is it?",
                "options": "['Oil paint', \"Artist's ink\", 'Chalk']",
                "answer": "B",
                "question_type": "multiple-choice",
                **{f"image_{number}": None for number in range(2, 8)},
            },
            {
                "id": "validation_Math_2",
                "question": "What is the area in <image 1> and <image 2>?",
                "options": "[]",
                "answer": "12.5",
                "question_type": "open",
                **{f"image_{number}": None for number in range(3, 8)},
            },
        ],
    ),
    HubTable(
        "MMMU/MMMU_Pro",
        "test",
        texts("id", "question", "options", "explanation", "img_type", "answer")
        | texts("topic_difficulty", "subject")
        | MMMU_IMAGES,
        [
            {
                "id": "test_History_1",
                "question": "What does <image 1> show?",
                "options": str([f"option {number}" for number in range(10)]),
                "answer": "J",
                **{f"image_{number}": None for number in range(2, 8)},
            }
        ],
        "standard (10 options)",
    ),
    HubTable(
        "MMMU/MMMU_Pro",
        "test",
        texts("id", "options", "answer", "subject") | {"image": PICTURE},
        [{"id": "test_History_1", "options": "['1914', '1939']", "answer": "A"}],
        "vision",
    ),
    HubTable(
        "lmms-lab/MMBench",
        "dev",
        {"index": WHOLE, "image": PICTURE}
        | texts("question", "hint", "answer", "A", "B", "C", "D")
        | texts("category", "source", "L2-category", "comment", "split"),
        [
            {
                "index": index,
                "question": "Which is larger?",
                "hint": "nan" if index < 1_000_000 else "Both are cubes.",
                "A": first,
                "B": second,
                "C": "nan",
                "D": "nan",
                "answer": answer,
                "category": "physical_property",
            }
            for index, first, second, answer in (
                (241, "the red one", "the blue one", "A"),
                (1_000_241, "the blue one", "the red one", "B"),
            )
        ],
        "en",
    ),
    HubTable(
        "lmms-lab/MMVet",
        "test",
        texts("question_id", "question", "answer", "image_source", "capability")
        | {"image": PICTURE},
        [
            {
                "question_id": "v1_0",
                "question": "What is x in the equation?",
                "answer": "-1<AND>-5",
                "capability": "ocr,math",
            }
        ],
    ),
)


def write_hub(folder: Path) -> None:
    """Write all tables below a folder, which takes the place of the hub for whoever works there."""
    for path in dict.fromkeys(table.path for table in TABLES):
        configs = [table for table in TABLES if table.path == path]
        lines = ["---", "configs:"]
        for number, table in enumerate(configs):
            file = folder / path / f"data-{number}" / f"{table.split}-00000-of-00001.parquet"
            file.parent.mkdir(parents=True)
            rows = [
                {n: filler(kind) for n, kind in table.columns.items()} | row for row in table.rows
            ]
            Dataset.from_list(rows, features=Features(table.columns)).to_parquet(file)
            lines += [f"- config_name: {table.config}", "  data_files:"]
            lines += [f"  - split: {table.split}", f"    path: data-{number}/{table.split}-*"]
        (folder / path / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")
