"""Mathematics in all kinds of images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

from visionthink_pl.rewards.benchmarks.base import Answered, Benchmark, column
from visionthink_pl.rewards.benchmarks.judged import ask
from visionthink_pl.rewards.benchmarks.option_letters import single
from visionthink_pl.rewards.judge import Case, Judge
from visionthink_pl.rewards.judge.verdict import EXTRACTION
from visionthink_pl.rewards.rules.anls import edit_distance, similarity
from visionthink_pl.types import VQASample
from visionthink_pl.types.limits import Share, limited

QUOTED = re.compile(r'The answer is "(.*)"\.')
LETTER = re.compile(r"\(([a-zA-Z])\)")
NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|-?\.\d+")


class MathVista(Benchmark):
    """MathVista: an answer is extracted, normalised to the type that the question asks for, and
    must be equal to the truth. An empty answer is wrong; MathVista's own script would take it for
    the shortest option.

    Extracted is a whole answer that is an option, its letter or a number; of any other, what the
    judge finds in it. Without a judge it is what stands in ``The answer is "..."``; else of options
    the one whose letter or text alone is named, or to which the answer is at least half similar;
    else the only number. Normalised is an option's letter to its text, any other text to the
    nearest option, and a number to the precision of the truth.

    Definition: Lu et al., ICLR 2024, evaluation protocols, with ``extract_answer.py`` and
    ``calculate_score.py`` of lupantech/MathVista; lmms-eval's
    ``tasks/mathvista/mathvista_evals.py``. Data: ``AI4Math/MathVista``, split ``testmini``:
    ``pid``, ``query`` as the question (with its options and a hint), ``decoded_image``, ``answer``;
    in ``extra`` ``question_type``, ``answer_type``, ``choices``, ``precision``.

    Args:
        judge: extracts answers from prose; the published scores have GPT-4 do that.
        max_failure_rate: share of a batch's answers, rounded up to a whole number, on which the
            judge may fail; with more the run stops.
    """

    @limited()
    def __init__(self, judge: Judge | None = None, max_failure_rate: Share = 0.1) -> None:
        if judge is not None:
            judge.instruct(EXTRACTION)
        self._judge, self._max_failure_rate = judge, max_failure_rate

    def setup(self) -> None:
        if self._judge is not None:
            self._judge.setup()

    def score(self, answered: Sequence[Answered]) -> list[float | None]:
        problems = [Problem(self, each) for each in answered]
        extracted = [problem.whole() for problem in problems]
        unread = [index for index, text in enumerate(extracted) if text is None]
        if self._judge is None:
            found = [problems[index].by_rule() for index in unread]
        else:
            cases = [Case(answered[i].sample.question, "", problems[i].answer) for i in unread]
            found = ask(self._judge, cases, self._max_failure_rate)
        for index, text in zip(unread, found, strict=True):
            extracted[index] = text
        return [
            None if text is None else float(problem.is_right(text))
            for problem, text in zip(problems, extracted, strict=True)
        ]


class Problem:
    """One question and an answer to it.

    Args:
        benchmark: for errors.
        answered: the answer.

    Attributes:
        answer: without white space around it.
    """

    def __init__(self, benchmark: Benchmark, answered: Answered) -> None:
        self._sample: VQASample = answered.sample
        self.answer = answered.answer.strip()
        self._type = column(self._sample, "answer_type", benchmark)
        multiple = column(self._sample, "question_type", benchmark) == "multi_choice"
        self._choices: list[str] = column(self._sample, "choices", benchmark) if multiple else []
        self._letters = dict(zip(ascii_uppercase, self._choices, strict=False))
        self._precision = int(column(self._sample, "precision", benchmark) or 0)

    def whole(self) -> str | None:
        """The answer, if it is empty, an option or its letter, or a number of the right type, and
        nothing else; ``None`` otherwise."""
        if not self.answer or self.answer in (*self._choices, *self._letters):
            return self.answer
        kind = {"integer": int, "float": float}.get(self._type)
        try:
            return None if kind is None else str(kind(self.answer))
        except ValueError:
            return None

    def by_rule(self) -> str:
        """What is answered, as far as rules can find it; empty where they can't."""
        text = quoted[1] if (quoted := QUOTED.search(self.answer)) else self.answer
        if self._choices:
            letter = single(text, self._letters)
            near = max(self._choices, key=lambda choice: similarity(text, choice))
            return letter or (near if similarity(text, near) else "")
        numbers = NUMBER.findall(text)
        if self._type in ("integer", "float"):
            return numbers[0].replace(",", "") if len(numbers) == 1 else ""
        return text

    def is_right(self, extracted: str) -> bool:
        """Whether what was extracted is the truth, once it is normalised."""
        truth = self._sample.answer.strip()
        return bool(extracted) and self._normalised(extracted.strip()) == truth

    def _normalised(self, text: str) -> str | None:
        if self._choices:
            return self._option(text).strip()
        try:
            if self._type == "integer":
                return str(int(float(text)))
            if self._type == "float":
                return str(round(float(text), self._precision))
        except (ValueError, OverflowError):
            return None
        return text

    def _option(self, text: str) -> str:
        """The option that is named by its letter, or else the one at the smallest edit distance."""
        if marked := LETTER.search(text):
            text = marked[1].upper()
        nearest = min(self._choices, key=lambda choice: edit_distance(text, choice))
        return self._letters.get(text, nearest)
