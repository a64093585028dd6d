"""Questions about text in photographs."""

from __future__ import annotations

from collections.abc import Sequence

from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark, column
from visionthink_pl.rewards.benchmarks.vqa_answers import processed

ENOUGH = 3  # people who gave the same answer


class TextVQA(Benchmark):
    """TextVQA: VQA accuracy over ten people's answers: min(1, matches / 3) among nine of them, the
    mean over the ten ways to leave one out.

    Definition: Singh et al., CVPR 2019, with the accuracy of Antol et al., ICCV 2015; lmms-eval's
    ``tasks/textvqa/utils.py: textvqa_process_results`` with its ``EvalAIAnswerProcessor``. Data:
    ``lmms-lab/textvqa``, split ``validation``: ``question_id``, ``question``, ``image``,
    ``answers`` (ten, of which equal ones count), which must be in ``extra`` too (``columns.keep``).

    Args:
        tokenise: drop commas and question marks and split off a possessive before all else
            (EvalAI, lmms-eval); VLMEvalKit and VQA's own script don't.
    """

    def __init__(self, tokenise: bool = True) -> None:
        self._tokenise = tokenise

    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        return [self._accuracy(each) for each in answered]

    def _accuracy(self, answered: Answered) -> float:
        truths = column(answered.sample, "answers", self)
        answer = processed(answered.answer, self._tokenise)
        equal = [processed(truth, self._tokenise) == answer for truth in truths]
        others = [sum(equal) - one for one in equal]
        return sum(min(1.0, count / ENOUGH) for count in others) / len(truths)
