"""Photographs of the real world, many of them taken from cars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark, chosen
from visionthink_pl.rewards.benchmarks.option_letters import Options, ranked, single

LETTERS = "ABCD"
OPTION = re.compile(rf"^([{LETTERS}])\. (.+)$", re.MULTILINE)  # a line of the question


class RealWorldQA(Benchmark):
    """RealWorldQA: where the truth is a letter, the letter that the answer names; else equality but
    for case and a final point.

    Definition: xAI, "Grok-1.5 Vision Preview", 2024, which gives no rule; lmms-eval's
    ``tasks/realworldqa/utils.py: realworldqa_process_results``. Data: ``lmms-lab/RealWorldQA``,
    split ``test``: ``question`` (with its options, one line each), ``image``, ``answer``.

    Args:
        rule: of letters. ``ranked``: the letter in the most telling form (lmms-eval). ``single``:
            the only letter or the only option's text (VLMEvalKit, which asks a judge about other
            answers; here they are wrong).
    """

    def __init__(self, rule: Literal["ranked", "single"] = "ranked") -> None:
        rules = {"ranked": lambda answer, options: ranked(answer, LETTERS), "single": single}
        self._letter = chosen(rules, rule, "RealWorldQA.rule")

    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        return [float(self._is_right(each)) for each in answered]

    def _is_right(self, answered: Answered) -> bool:
        truth = answered.sample.answer.strip()
        if truth.upper() in tuple(LETTERS):
            options: Options = dict(OPTION.findall(answered.sample.question))
            return self._letter(answered.answer, options) == truth.upper()
        return answered.answer.lower().strip().rstrip(".") == truth.lower()
