"""Benchmarks whose answers name an option."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from string import ascii_uppercase
from typing import Any

import pandas as pd
from lmms_eval.tasks._task_utils import mmmu_mcq_utils
from lmms_eval.tasks.mmbench.mmbench_evals import MMBench_Evaluator
from lmms_eval.tasks.mmmu.utils import evaluate_mmmu, mmmu_process_results
from lmms_eval.tasks.mmmu_pro.utils import evaluate_mmmu as evaluate_mmmu_pro
from lmms_eval.tasks.mmmu_pro.utils import mmmu_pro_process_results
from lmms_eval.tasks.realworldqa.utils import realworldqa_process_results

from lmms_peers import wordings
from lmms_peers.base import Case, Peer, make
from visionthink_pl.rewards.benchmarks import MMMU, MMBench, MMMUPro, RealWorldQA

BY_LETTER = (
    *("{0}", "{0}.", "({0})", "{0})", "{0}:", "{0}. {1}", "({0}) {1}", "{0} {1}", "{1}", "{1}."),
    *("The answer is {0}.", "The answer is ({0}).", "answer is **{0}**", "Answer: {0}", "{0}, {1}"),
    *("The correct option is {0}: {1}", "I choose {0}", "I pick {0} as A is a bad one", ":{0}"),
    *("Option {0} is right, and {2} is not.", "A man stands there, so {0}", "{2} or {0}", "{0}{2}"),
    *("It is not ({2}) but ({0}).", "{2}. No, {0}.", "First {2} seemed right. The answer is {0}"),
    *("答案是{0}", "选{0}", "The picture shows {1} and not {3}, which is clear to see.", "{3}"),
    *("I think that the right one of these must be {1}", "**{0}**", "{0}\n\n{1}", "a {1}", "{0} "),
    *('"{0}"', "'{0}'", "{0};", "({0}).", "{0}).", ":{0},", "None of them", "Both {0} and {2}"),
    *("The answer is A or {0}", "My answer is {0}!", "{1} ({0})", "because of {3}, {0}", "the {0}"),
)

# What MMMU's rule for open questions goes by, and what it may find there.
OPEN = (
    *("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ", "= "),
    *("\n", ". ", ", ", "-", "a ", "B", "red ", "blue", "7 ", "1,250 ", "-3.5 ", "2e3 ", ".5"),
)
OPEN_TRUTHS = ("red", "blue", "7", "7 red", "1250", "-3.5", "2000", "0.5", ".5", "a", "B")


def letters(rng: Random, options: Sequence[str], right: int) -> str:
    """An answer that names an option by its letter or text."""
    if rng.random() < 0.06:
        return wordings.answer(rng, options[right], rng.choice(options))
    said = right if rng.random() < 0.6 else rng.randrange(len(options))
    other = rng.randrange(len(options))
    names = ascii_uppercase[said], options[said], ascii_uppercase[other], options[other]
    text = rng.choice(BY_LETTER).format(*names)
    return wordings.changed(rng, text) if rng.random() < 0.1 else text


def some_options(rng: Random, most: int) -> list[str]:
    return [wordings.text(rng) for _ in range(rng.randint(2, most))]


class OfRealWorldQA(Peer):
    name, ours = "RealWorldQA", RealWorldQA()

    def cases(self, rng: Random) -> Iterator[Case]:
        while True:
            options = some_options(rng, 4)
            lines = [f"{c}. {text}" for c, text in zip(ascii_uppercase, options, strict=False)]
            right = rng.randrange(len(options))
            truth = ascii_uppercase[right] if rng.random() < 0.6 else options[right].strip()
            of_letter = len(truth) == 1 and truth in "ABCD"
            other = rng.choice(options)
            said = letters(rng, options, right) if of_letter else wordings.answer(rng, truth, other)
            question = "\n".join(["Which?", *lines, "Please answer directly."])
            yield make(said, [truth], {"answer": truth}, question=question)

    def theirs(self, case: Case) -> float:
        return realworldqa_process_results(case.doc, [case.answer])["exact_match"]


class Drawn:
    """Stands in for ``random`` in MMMU's rule, and says whether a letter was drawn."""

    def __init__(self) -> None:
        self.drawn = False

    def choice(self, letters: Sequence[str]) -> str:
        self.drawn = True
        return letters[0]


class OfMMMU(Peer):
    name, ours = "MMMU", MMMU()
    most = 5

    def __init__(self) -> None:
        self._random = Drawn()
        mmmu_mcq_utils.random = self._random

    def cases(self, rng: Random) -> Iterator[Case]:
        number = 0
        while True:
            number += 1
            options = some_options(rng, self.most)
            right, of_letter = rng.randrange(len(options)), rng.random() < 0.6
            if of_letter:
                said, truth = letters(rng, options, right), ascii_uppercase[right]
            elif rng.random() < 0.5:
                truth = rng.choice(OPEN_TRUTHS)
                said = "".join(rng.choices((*OPEN, truth), k=rng.randint(1, 9)))
            else:
                truth = options[right]
                said = wordings.answer(rng, truth, rng.choice(options))
            yield self.case(f"validation_Art_{number}", said, truth, options if of_letter else [])

    def case(self, name: str, said: str, truth: str, options: Sequence[str]) -> Case:
        kind = "multiple-choice" if options else "open"
        doc = {"id": name, "question_type": kind, "options": str(list(options)), "answer": truth}
        return make(said, [truth], doc, id=name, options=tuple(options))

    def theirs(self, case: Case) -> float:
        result = mmmu_process_results(case.doc, [case.answer])["mmmu_acc"]
        return evaluate_mmmu([result])[1]["acc"]

    def reason(self, case: Case, score: float | None) -> str | None:
        self._random.drawn = False
        self.theirs(case)
        if self._random.drawn and score == 0:
            return "no letter is found: drawn at random there, wrong here"
        return None


class OfMMMUPro(OfMMMU):
    name, ours = "MMMU-Pro", MMMUPro()
    most = 10

    def cases(self, rng: Random) -> Iterator[Case]:
        number = 0
        while True:
            number += 1
            options = some_options(rng, self.most)
            right = rng.randrange(len(options))
            said = self.said(rng, options, right)
            yield self.case(f"test_Art_{number}", said, ascii_uppercase[right], options)

    def said(self, rng: Random, options: Sequence[str], right: int) -> str:
        return letters(rng, options, right)

    def case(self, name: str, said: str, truth: str, options: Sequence[str]) -> Case:
        doc = {"id": name, "question": "?", "subject": "Art", "answer": truth}
        doc["options"] = str(list(options))
        return make(said, [truth], doc, id=name, options=tuple(options))

    def theirs(self, case: Case) -> float:
        result = mmmu_pro_process_results(case.doc, [case.answer])["mmmu_acc"]
        return evaluate_mmmu_pro([result])[1]["acc"]


class OfMMMUProVision(OfMMMUPro):
    name, ours = "MMMU-Pro, vision", MMMUPro("exact")

    def said(self, rng: Random, options: Sequence[str], right: int) -> str:
        if rng.random() < 0.3:
            return letters(rng, options, right)
        return ascii_uppercase[rng.choice([right, rng.randrange(len(options))])]

    def case(self, name: str, said: str, truth: str, options: Sequence[str]) -> Case:
        case = super().case(name, said, truth, options)
        return replace(case, doc={k: v for k, v in case.doc.items() if k != "question"})


class OfMMBench(Peer):
    name, ours = "MMBench", MMBench()

    def __init__(self) -> None:
        self._peer = MMBench_Evaluator()

    def cases(self, rng: Random) -> Iterator[Case]:
        number = 0
        while True:
            number += 1
            options = some_options(rng, 4)
            right = rng.randrange(len(options))
            for turn in range(len(options)):
                rotated = options[turn:] + options[:turn]
                place = (right - turn) % len(options)
                said = letters(rng, rotated, place)
                yield self.case(number + turn * 1_000_000, said, rotated, ascii_uppercase[place])

    def case(self, index: int, said: str, options: Sequence[str], truth: str) -> Case:
        cells = dict(zip("ABCD", [*options, *["nan"] * 4], strict=False))
        doc = {"index": index, "question": "?", "category": "x", "answer": truth} | cells
        more = {"id": str(index), "options": tuple(options), "extra": {"index": index}}
        return make(said, [truth], doc, **more)

    def theirs(self, case: Case) -> float:
        return self._theirs(case.doc, case.answer)

    def _theirs(self, doc: Mapping[str, Any], answer: str) -> float:
        row = pd.DataFrame([{**doc, "prediction": answer.strip()}])
        truth = {doc["index"]: doc["answer"]}
        return float(self._peer.eval_sub_data(row, truth, static_only=True))

    def reason(self, case: Case, score: float | None) -> str | None:
        empty = {letter: math.nan for letter in "ABCD" if case.doc[letter] == "nan"}
        if empty and self._theirs({**case.doc, **empty}, case.answer) == score:
            return "an absent option is an option with the text nan there"
        bare = {letter: case.doc[letter].strip() for letter in "ABCD"}
        if self._theirs({**case.doc, **bare}, case.answer) == score:
            return "white space around an option counts there, and is cut off answers"
        return None

    def summaries(
        self, cases: Sequence[Case], scores: Sequence[float | None]
    ) -> Iterator[tuple[str, float, float]]:
        whole = [case for case in cases if self.theirs(case) == self.score(case)]
        kept = {case.doc["index"] for case in whole}
        rows = [{**case.doc, "prediction": case.answer.strip()} for case in whole]
        questions = {index % 1_000_000 for index in kept}
        table = pd.DataFrame(rows)
        truths = dict(zip(table["index"], table["answer"], strict=True))
        groups = [table[table["index"] % 1_000_000 == one] for one in sorted(questions)]
        theirs = [self._peer.eval_sub_data(group, truths, static_only=True) for group in groups]
        own = [self.score(case) for case in whole]
        ours = self.own_figures(whole, own)["score"]
        yield "CircularEval, on answers scored alike", ours, sum(theirs) / len(theirs)


PEERS: Sequence[type[Peer]] = (
    OfRealWorldQA,
    OfMMMU,
    OfMMMUPro,
    OfMMMUProVision,
    OfMMBench,
)
