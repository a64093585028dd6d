"""Reading of text of all kinds."""

from __future__ import annotations

from collections.abc import Sequence

from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark, column

FORMULAS = "HME100k"  # handwritten formulas, in which white space and case are no matter of reading
FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: ord(" ")}


class OCRBench(Benchmark):
    """OCRBench: 1 if any truth stands in the answer, whatever its case. In formulas (``HME100k``)
    case counts and blanks don't. The score is the published one of 1000, divided by 1000.

    Definition: Liu et al., "OCRBench: On the Hidden Mystery of OCR in Large Multimodal Models"
    (arXiv 2305.07895), evaluation metric; lmms-eval's ``tasks/ocrbench/utils.py:
    ocrbench_process_results``. VLMEvalKit folds no full-width characters. Data:
    ``echo840/OCRBench``, split ``test``: ``question``, ``image``, ``answer`` (a list of truths),
    ``question_type`` as the kind; ``dataset`` in ``extra``.

    Args:
        fold_full_width: full-width characters of both count as their ASCII ones, but in formulas
            (lmms-eval since 2026-07-30).
    """

    def __init__(self, fold_full_width: bool = True) -> None:
        self._fold = FULL_WIDTH if fold_full_width else {}

    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        return [float(self._is_read(each)) for each in answered]

    def _is_read(self, answered: Answered) -> bool:
        read = self._text if column(answered.sample, "dataset", self) != FORMULAS else _formula
        answer = read(answered.answer.strip())
        return any(read(truth) in answer for truth in answered.sample.answers if truth.strip())

    def _text(self, text: str) -> str:
        return text.translate(self._fold).lower().strip().replace("\n", " ")


def _formula(text: str) -> str:
    return text.strip().replace("\n", "").replace(" ", "")
