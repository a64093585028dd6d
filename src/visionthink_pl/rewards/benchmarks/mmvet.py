"""Open questions that take several abilities at once, graded by a judge."""

from __future__ import annotations

from collections.abc import Sequence

from visionthink_pl.rewards.benchmarks.base import Answered, column
from visionthink_pl.rewards.benchmarks.judged import Judged
from visionthink_pl.rewards.judge import Case
from visionthink_pl.rewards.judge.verdict import GRADE


class MMVet(Judged):
    """MM-Vet: a judge's grade from 0 to 1; the published grades are GPT-4's. For each ability
    (``rec``, ``ocr``, ``know``, ``gen``, ``spat``, ``math``) the mean grade of the questions that
    take it is given too.

    Definition: Yu et al., ICML 2024, LLM-based evaluator; lmms-eval's ``tasks/mmvet/utils.py:
    mmvet_process_results``, which makes an answer without a grade 0. Data: ``lmms-lab/MMVet``,
    split ``test``: ``question_id``, ``question``, ``image``, ``answer`` (alternatives and parts
    joined by ``<OR>`` and ``<AND>``); in ``extra`` ``capability``, and ``question`` too
    (``columns.keep``), since the judge reads it without what is put around it for the policy.
    """

    instruction = GRADE

    def case(self, answered: Answered) -> Case:
        question = column(answered.sample, "question", self)
        truth = answered.sample.answer.replace("<AND>", " [AND] ").replace("<OR>", " [OR] ")
        return Case(question, truth, answered.answer.strip())

    def summarise(
        self, answered: Sequence[Answered], scores: Sequence[float | None]
    ) -> dict[str, float]:
        by_ability: dict[str, list[float]] = {}
        for each, score in zip(answered, scores, strict=True):
            for ability in column(each.sample, "capability", self).split(","):
                by_ability.setdefault(ability, []).extend([] if score is None else [score])
        means = {name: sum(some) / len(some) for name, some in sorted(by_ability.items()) if some}
        return super().summarise(answered, scores) | means
