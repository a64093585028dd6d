"""Two questions about each image, answered by yes or no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark, by_round, chosen, column
from visionthink_pl.rewards.benchmarks.yes_no import by_prefix, by_words, truth_of
from visionthink_pl.types import VQASample

COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
PERCEPTION = (
    *("existence", "count", "position", "color", "posters"),
    *("celebrity", "scene", "landmark", "artwork", "OCR"),
)
POINTS = 200  # that a category can reach


class MME(Benchmark):
    """MME: a category counts 100 times its accuracy and 100 times its accuracy+, the share of
    images whose two questions are both answered right. Ten categories make up perception, of 2000
    points, and four make up cognition, of 800.

    ``total`` is the sum of both, and ``score`` its share of what could be reached in the categories
    that were asked: ``total`` / 2800 where all were. An image of which only one question was asked
    counts in accuracy alone.

    Definition: Fu et al., arXiv 2306.13394, evaluation metric; lmms-eval's ``tasks/mme/utils.py:
    parse_pred_ans, mme_aggregate_results``; VLMEvalKit's ``yorn.py: YOrN_Extraction, MME_rating``.
    Data: ``lmms-lab/MME``, split ``test``: ``question``, ``image``, ``answer``, ``category`` as the
    kind; ``question_id`` (the image's) in ``extra``.

    Args:
        rule: ``prefix``: yes or no within the first four characters (lmms-eval), so that "I know"
            is neither and "know" is a no. ``words``: exactly one of them as a word, anywhere
            (VLMEvalKit, which asks a judge about other answers; here they are wrong).
    """

    def __init__(self, rule: Literal["prefix", "words"] = "prefix") -> None:
        self._read = chosen({"prefix": by_prefix, "words": by_words}, rule, "MME.rule")

    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        return [float(self._read(each.answer) == truth_of(each.sample)) for each in answered]

    def unit(self, sample: VQASample) -> str:
        return f"{sample.kind}/{column(sample, 'question_id', self)}"

    def summarise(
        self, answered: Sequence[Answered], scores: Sequence[float | None]
    ) -> dict[str, float]:
        single: dict[str, list[float]] = {}
        pairs: dict[str, list[float]] = {}
        for indices in by_round(self, answered):
            kind = answered[indices[0]].sample.kind
            values = [score for index in indices if (score := scores[index]) is not None]
            single.setdefault(kind, []).extend(values)
            pairs.setdefault(kind, []).extend([min(values)] if len(values) == 2 else [])
        accuracy = {kind: _mean(values) for kind, values in single.items()}
        return _figures(accuracy, {kind: _mean(values) for kind, values in pairs.items()})


def _figures(accuracy: Mapping[str, float], both: Mapping[str, float]) -> dict[str, float]:
    """The figures, by the accuracy and the accuracy+ of each category that was asked."""
    points = {kind: POINTS / 2 * (accuracy[kind] + both[kind]) for kind in accuracy}
    total = sum(points.values())
    out = {"score": total / (POINTS * len(points)), "total": total} if points else {}
    for name, kinds in (("perception", PERCEPTION), ("cognition", COGNITION)):
        out[name] = sum(value for kind, value in points.items() if kind in kinds)
    for kind in points:
        out |= {f"{kind}/accuracy": accuracy[kind], f"{kind}/accuracy+": both[kind]}
    return out


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
