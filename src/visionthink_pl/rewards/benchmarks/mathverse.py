"""Mathematics in diagrams, each question with more and less of it in the text."""

from __future__ import annotations

from visionthink_pl.rewards.benchmarks.base import Answered, column
from visionthink_pl.rewards.benchmarks.judged import Judged
from visionthink_pl.rewards.judge import Case
from visionthink_pl.rewards.judge.verdict import SAME_RESULT


class MathVerse(Judged):
    """MathVerse: whether a judge finds that an answer comes to the truth.

    Definition: Zhang et al., ECCV 2024, scoring without its CoT evaluation, which grades single
    steps; lmms-eval's ``tasks/mathverse/utils.py: mathverse_process_results``, which counts a
    failure of its judge as wrong. The official script and VLMEvalKit have the judge extract the
    answer first, in a request of its own. Data: ``CaraJ/MathVerse-lmmseval``, config ``testmini``,
    split ``testmini``: ``query_wo`` as the question, ``image``, ``answer``, ``problem_version`` as
    the kind; ``question_for_eval`` in ``extra``.
    """

    instruction = SAME_RESULT

    def case(self, answered: Answered) -> Case:
        question = column(answered.sample, "question_for_eval", self)
        return Case(question, answered.sample.answer, answered.answer.strip())
