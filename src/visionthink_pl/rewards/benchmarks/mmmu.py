"""College questions over many subjects, with options or without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark, chosen
from visionthink_pl.rewards.benchmarks.mmmu_open import is_right_open
from visionthink_pl.rewards.benchmarks.option_letters import (
    exact,
    last,
    options_of,
    single,
    truth_letter,
)
from visionthink_pl.types import VQASample


class MMMU(Benchmark):
    """MMMU: the letter that an answer names; without options, a number or text that the answer
    comes to. The score is the mean over all questions.

    Where no letter is found the answer is wrong; MMMU's own script, and both harnesses, draw one at
    random.

    Definition: Yue et al., CVPR 2024, evaluation, with ``eval_utils.py`` of MMMU-Benchmark/MMMU;
    lmms-eval's ``tasks/mmmu/utils.py: mmmu_process_results, evaluate_mmmu``. Data:
    ``lmms-lab/MMMU``, split ``validation``: ``id``, ``question``, ``options`` (a list written as
    text, ``[]`` in an open question), ``image_1`` to ``image_7``, ``answer`` (a letter, or text);
    ``question_type``, ``subfield``.

    Args:
        rule: ``last``: the last letter in the surest form, and MMMU's rule for open questions
            (lmms-eval). ``single``: the only letter or the only option's text, also of an open
            question, whose options are the truth and "Other Answers" (VLMEvalKit, which asks a
            judge about other answers; here they are wrong).
    """

    def __init__(self, rule: Literal["last", "single"] = "last") -> None:
        self._letter = chosen({"last": last, "single": single}, rule, "MMMU.rule")
        self._open = rule == "last"

    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        return [float(self._is_right(each.answer, each.sample)) for each in answered]

    def _is_right(self, answer: str, sample: VQASample) -> bool:
        if sample.options:
            return self._letter(answer, options_of(sample)) == truth_letter(sample)
        if self._open:
            return any(is_right_open(answer, truth) for truth in sample.answers)
        return any(
            self._letter(answer, {"A": truth, "B": "Other Answers"}) == "A"
            for truth in sample.answers
        )


class MMMUPro(MMMU):
    """MMMU-Pro: the letter that an answer names, of up to ten options.

    The published score is the mean of the settings ``standard (10 options)`` and ``vision``, where
    question and options are part of the image.

    Definition: Yue et al., arXiv 2409.02813; lmms-eval's ``tasks/mmmu_pro/utils.py:
    mmmu_pro_process_results``. Data: ``MMMU/MMMU_Pro``, configs of these names, split ``test``:
    ``id``, ``question``, ``options`` (a list written as text), ``image_1`` to ``image_7``,
    ``answer`` (a letter), ``subject``; in ``vision`` no ``question`` and one ``image``.

    Args:
        rule: ``last`` and ``single`` as of ``MMMU``. ``exact``: the whole answer must be the
            letter, which is lmms-eval's rule in ``vision``.
    """

    def __init__(self, rule: Literal["last", "single", "exact"] = "last") -> None:
        ways = {"last": last, "single": single, "exact": exact}
        super().__init__()
        self._letter = chosen(ways, rule, "MMMUPro.rule")
