"""Questions with options, each asked with all rotations of its options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark, by_round, chosen, column
from visionthink_pl.rewards.benchmarks.judged import ask
from visionthink_pl.rewards.benchmarks.option_letters import (
    inferred,
    options_of,
    ranked,
    single,
    truth_letter,
)
from visionthink_pl.rewards.judge import Case, Judge
from visionthink_pl.types import VQASample
from visionthink_pl.types.limits import Share, limited

ROTATION = 1_000_000  # is added to a question's index with each rotation


class MMBench(Benchmark):
    """MMBench with CircularEval: a question is right where the answers to all rotations of its
    options are. ``accuracy`` is the share of right answers to single rotations.

    A question counts by the rotations that were asked. Where no letter is found the answer is
    wrong; lmms-eval and VLMEvalKit draw one at random after three failures of their judge.

    Definition: Liu et al., ECCV 2024, CircularEval and choice extraction; lmms-eval's
    ``tasks/mmbench/mmbench_evals.py: eval_sub_data``, without a judge its task
    ``mmbench_en_dev_static``. Data: ``lmms-lab/MMBench``, config ``en``, split ``dev``:
    ``question``, ``hint``, ``A`` to ``D`` (``nan`` where there is none), ``image``, ``answer`` (a
    letter), ``category`` as the kind; ``index`` in ``extra``. The split ``test`` has no answers.

    Args:
        rule: ``ranked``: the only letter or the only option's text, else the letter in the most
            telling form (lmms-eval). ``single``: VLMEvalKit's own way to find the only letter or
            text, and nothing else.
        judge: decides on answers that the rule's first step does not read, in place of any further
            step.
        max_failure_rate: share of a batch's answers, rounded up to a whole number, on which the
            judge may fail; with more the run stops.
    """

    @limited()
    def __init__(
        self,
        rule: Literal["ranked", "single"] = "ranked",
        judge: Judge | None = None,
        max_failure_rate: Share = 0.1,
    ) -> None:
        self._first = chosen({"ranked": inferred, "single": single}, rule, "MMBench.rule")
        self._judge, self._max_failure_rate = judge, max_failure_rate
        self._goes_on = rule == "ranked" and judge is None

    def setup(self) -> None:
        if self._judge is not None:
            self._judge.setup()

    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        letters = [self._letter(each) for each in answered]
        scores: list[float | None] = [
            float(letter == truth_letter(each.sample))
            for letter, each in zip(letters, answered, strict=True)
        ]
        if self._judge is None:
            return scores
        unread = [i for i, each in enumerate(answered) if not letters[i] and each.answer.strip()]
        cases = [_case(answered[index]) for index in unread]
        verdicts = ask(self._judge, cases, self._max_failure_rate)
        for index, verdict in zip(unread, verdicts, strict=True):
            scores[index] = verdict if verdict is None else float(verdict)
        return scores

    def _letter(self, answered: Answered) -> str | None:
        options = options_of(answered.sample)
        letter = self._first(answered.answer, options)
        return ranked(answered.answer, options) if not letter and self._goes_on else letter

    def unit(self, sample: VQASample) -> str:
        return str(int(column(sample, "index", self)) % ROTATION)

    def summarise(
        self, answered: Sequence[Answered], scores: Sequence[float | None]
    ) -> dict[str, float]:
        rounds = [[scores[index] for index in one] for one in by_round(self, answered)]
        circular = [_all_right(one) for one in rounds]
        accuracy = super().summarise(answered, scores)
        figures = super().summarise(answered, circular)
        return figures | ({"accuracy": accuracy["score"]} if "score" in accuracy else {})


def _all_right(scores: Sequence[float | None]) -> float | None:
    """1 if all are; ``None`` if none is wrong and some are not known."""
    if any(score == 0 for score in scores):
        return 0.0
    return None if None in scores else 1.0


def _case(answered: Answered) -> Case:
    return Case(answered.sample.question, answered.sample.answer, answered.answer.strip())
