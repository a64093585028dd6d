"""Benchmarks whose answers are yes or no."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from lmms_eval.tasks.mme import utils as mme
from lmms_eval.tasks.pope import utils as pope

from lmms_peers import wordings
from lmms_peers.base import Case, Peer, make
from visionthink_pl.rewards.benchmarks import MME, POPE
from visionthink_pl.rewards.benchmarks.mme import COGNITION, PERCEPTION

SAID = (
    *("{}", "{}", "{}.", "{},", " {}", "{}\n", "{} ", "{}!", "{}, there is a dog.", "{}. It is."),
    *(
        "The answer is {}.",
        "Answer: {}",
        "**{}**",
        "I think {}",
        "i.e. {}",
        "y",
        "n",
        "Y",
        "N",
        "x",
    ),
    *(
        "I know",
        "know",
        "not at all",
        "eyes",
        "nothing",
        "there is no dog",
        "yes and no",
        "n.o.",
        "",
    ),
    *("It isn't.", "{}{}", "Ye s", "No yes", ".{}", "..{}", "{}-ish", "maybe", "Correct", "noon"),
)


def said(rng: Random) -> str:
    cases = (str, str.lower, str.upper, str.capitalize)
    word = rng.choice(cases)(rng.choice(["yes", "no"]))
    text = word if rng.random() < 0.4 else rng.choice(SAID).format(word, word)
    return wordings.changed(rng, text) if rng.random() < 0.15 else text


class OfMME(Peer):
    name, ours = "MME", MME()

    def cases(self, rng: Random) -> Iterator[Case]:
        number = 0
        while True:
            number += 1
            name, kind = f"{number}.png", rng.choice([*PERCEPTION, *COGNITION])
            for truth in ("Yes", "No"):
                doc = {"question_id": name, "category": kind, "answer": truth}
                more = {"id": f"{name}/{truth}", "kind": kind, "extra": {"question_id": name}}
                yield make(said(rng), [truth], doc, **more)

    def theirs(self, case: Case) -> float:
        (result,) = mme.mme_process_results(case.doc, [case.answer]).values()
        return result["score"]

    def summaries(
        self, cases: Sequence[Case], scores: Sequence[float | None]
    ) -> Iterator[tuple[str, float, float]]:
        figures = self.own_figures(cases, scores)
        for name in ("perception", "cognition"):
            results = [mme.mme_process_results(case.doc, [case.answer]) for case in cases]
            some = [r for result in results for key, r in result.items() if name in key]
            yield name, figures[name], mme.mme_aggregate_results(some)


class OfPOPE(Peer):
    name, ours = "POPE", POPE()

    def cases(self, rng: Random) -> Iterator[Case]:
        while True:
            truth = rng.choice(["yes", "no"])
            yield make(said(rng), [truth], {"question_id": "0", "answer": truth})

    def theirs(self, case: Case) -> float:
        return pope.pope_process_results(case.doc, [case.answer])["pope_accuracy"]["score"]

    def summaries(
        self, cases: Sequence[Case], scores: Sequence[float | None]
    ) -> Iterator[tuple[str, float, float]]:
        results = [
            pope.pope_process_results(case.doc, [case.answer])["pope_accuracy"] for case in cases
        ]
        figures = self.own_figures(cases, scores)
        yield "F1", figures["score"], pope.pope_aggregate_f1_score(results)
        yield "accuracy", figures["accuracy"], pope.pope_aggregate_accuracy(results)
        yield "precision", figures["precision"], pope.pope_aggregate_precision(results)
        yield "recall", figures["recall"], pope.pope_aggregate_recall(results)


PEERS: Sequence[type[Peer]] = (OfMME, OfPOPE)
