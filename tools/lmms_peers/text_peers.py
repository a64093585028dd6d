"""Benchmarks whose answers are short texts and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from random import Random

from lmms_eval.api.metrics import anls
from lmms_eval.tasks.chartqa.utils import chartqa_process_results
from lmms_eval.tasks.ocrbench.utils import ocrbench_process_results
from lmms_eval.tasks.textvqa.utils import textvqa_process_results

from lmms_peers import wordings
from lmms_peers.base import Case, Peer, make
from visionthink_pl.rewards.benchmarks import ChartQA, DocVQA, InfoVQA, OCRBench, TextVQA


def collapsed(text: str) -> str:
    return " ".join(text.split())


class OfChartQA(Peer):
    name, ours = "ChartQA", ChartQA()

    def cases(self, rng: Random) -> Iterator[Case]:
        while True:
            truth, other = wordings.text(rng), wordings.text(rng)
            doc = {"type": rng.choice(["human_test", "augmented_test"]), "answer": truth}
            yield make(wordings.answer(rng, truth, other), [truth], doc)

    def theirs(self, case: Case) -> float:
        return chartqa_process_results(case.doc, [case.answer])["relaxed_overall"]

    def reason(self, case: Case, score: float | None) -> str | None:
        bare = case.doc | {"answer": case.doc["answer"].strip()}
        theirs = chartqa_process_results(bare, [case.answer.strip()])["relaxed_overall"]
        return "white space around a text counts there" if theirs == score else None


class OfDocVQA(Peer):
    name, ours = "DocVQA", DocVQA()

    def cases(self, rng: Random) -> Iterator[Case]:
        while True:
            truths = [wordings.text(rng) for _ in range(rng.randint(1, 4))]
            truth, other = rng.choice(truths), wordings.text(rng)
            yield make(wordings.answer(rng, truth, other), truths, {"answers": truths})

    def theirs(self, case: Case) -> float:
        return anls(case.doc["answers"], [case.answer])["anls"]

    def reason(self, case: Case, score: float | None) -> str | None:
        said, truths = collapsed(case.answer), list(map(collapsed, case.doc["answers"]))
        if [said, *truths] == [case.answer, *case.doc["answers"]]:
            return None
        bare = make(said, truths, {"answers": truths})
        if self.score(bare) == self.theirs(bare):
            return "of white space, the length alone counts there"
        return None


class OfInfoVQA(OfDocVQA):
    name, ours = "InfoVQA", InfoVQA()


class OfOCRBench(Peer):
    name, ours = "OCRBench", OCRBench()
    sets = ("IIIT5K", "ESTVQA", "HME100k")

    def cases(self, rng: Random) -> Iterator[Case]:
        while True:
            truths = [wordings.text(rng) for _ in range(rng.randint(1, 3))]
            name = rng.choice(self.sets)
            doc = {"dataset": name, "answer": truths, "question_type": "x"}
            said = wordings.answer(rng, rng.choice(truths), wordings.text(rng))
            yield make(said, truths, doc, extra={"dataset": name})

    def theirs(self, case: Case) -> float:
        result = ocrbench_process_results(case.doc, [case.answer])
        return float(result["ocrbench_accuracy"]["score"])


class OfTextVQA(Peer):
    name, ours = "TextVQA", TextVQA()

    def cases(self, rng: Random) -> Iterator[Case]:
        while True:
            some = [wordings.text(rng) for _ in range(rng.randint(1, 5))]
            truths = [rng.choice(some) for _ in range(10)]
            doc = {"question_id": 0, "answers": truths}
            said = wordings.answer(rng, rng.choice(some), wordings.text(rng))
            yield make(said, truths, doc, extra={"answers": truths})

    def theirs(self, case: Case) -> float:
        return textvqa_process_results(deepcopy(dict(case.doc)), [case.answer])["exact_match"]


PEERS: Sequence[type[Peer]] = (OfChartQA, OfDocVQA, OfInfoVQA, OfOCRBench, OfTextVQA)
