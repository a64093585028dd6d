"""Benchmarks of which a judge reads the answers: on both sides a stand-in says the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from random import Random
from typing import Any

from lmms_eval.tasks.mathverse import utils as mathverse
from lmms_eval.tasks.mathvista import utils as mathvista
from lmms_eval.tasks.mmvet import utils as mmvet

from lmms_peers import wordings
from lmms_peers.base import Case, Peer, make
from visionthink_pl.rewards.benchmarks import MathVerse, MathVista, MMVet
from visionthink_pl.rewards.judge import Case as JudgeCase
from visionthink_pl.rewards.judge import Instruction, Judge

ABILITIES = ("rec", "ocr", "know", "gen", "spat", "math")


class StandIn(Judge):
    """Says of an answer what ``says`` returns, through the reader of the instruction.

    Args:
        says: the reply to an answer.
    """

    def __init__(self, says: Callable[[str], str]) -> None:
        self._says = says
        self._read: Callable[[str], Any] = lambda reply: int(reply)

    def instruct(self, instruction: Instruction) -> None:
        self._read = instruction.read

    def submit(self, case: JudgeCase) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(self._read(self._says(case.answer)))
        return future


def share(text: str) -> float:
    """A number from 0 to 1 in steps of a tenth, which depends on the text alone."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0] % 11 / 10


def extracted(answer: str) -> str:
    """What a judge might extract: the last words."""
    return " ".join(answer.split()[-2:])


class JudgedPeer(Peer):
    """A benchmark with a stand-in for its judge."""

    @staticmethod
    def says(answer: str) -> str:
        """The reply to an answer."""
        raise NotImplementedError

    def reply(self, case: Case) -> str:
        return self.says(case.answer.strip())


class OfMathVista(JudgedPeer):
    name = "MathVista"

    @staticmethod
    def says(answer: str) -> str:
        return f"Answer: {extracted(answer)}"

    def __init__(self) -> None:
        self.ours = MathVista(StandIn(self.says))
        self._said = ""
        peer = mathvista.mathvista_evaluator
        peer.get_chat_response = lambda *_, **__: extracted(self._said)
        mathvista.config["metadata"]["quick_extract"] = False

    def cases(self, rng: Random) -> Iterator[Case]:
        while True:
            multiple, kind = rng.random() < 0.5, rng.choice(["text", "integer", "float", "list"])
            options = [wordings.text(rng) for _ in range(rng.randint(2, 5))] if multiple else None
            truth, precision = self._truth(rng, options, kind)
            said = wordings.answer(rng, truth, rng.choice(options or ["7"]))
            columns = {
                "question_type": "multi_choice" if multiple else "free_form",
                "answer_type": "text" if multiple else kind,
                "choices": options,
                "precision": precision,
            }
            doc = columns | {"pid": "1", "query": "?", "answer": truth, "metadata": {}}
            yield make(said, [truth], doc, extra=columns)

    @staticmethod
    def _truth(rng: Random, options: list[str] | None, kind: str) -> tuple[str, int | None]:
        if options:
            return rng.choice(options), None
        if kind == "integer":
            return str(rng.randint(-50, 5000)), None
        if kind == "float":
            places = rng.randint(1, 2)
            return str(round(rng.gauss(0, 50), places)), places
        return (str([1, 2]) if kind == "list" else wordings.text(rng)), None

    def theirs(self, case: Case) -> float:
        self._said = case.answer.strip()
        result = mathvista.mathvista_process_results(case.doc, [case.answer])
        return float(result["submission"]["true_false"])

    def reason(self, case: Case, score: float | None) -> str | None:
        if not case.answer.strip() and score == 0:
            return "an empty answer is taken for the shortest option there"
        if extracted(case.answer).lower() == "none" and score == 0:
            return "a judge that finds none is taken for an answer there"
        return None


class OfMathVerse(JudgedPeer):
    name = "MathVerse"

    @staticmethod
    def says(answer: str) -> str:
        return f"Score: {round(share(answer))}"

    def __init__(self) -> None:
        self.ours = MathVerse(StandIn(self.says))

        def evaluate_binary(prediction: str, **_: Any) -> dict[str, Any]:
            return {"success": True, "result": round(share(prediction))}

        mathverse.mathverse_evaluator.server = type(
            "Server", (), {"evaluate_binary": staticmethod(evaluate_binary)}
        )

    def cases(self, rng: Random) -> Iterator[Case]:
        while True:
            truth = wordings.text(rng)
            fields = ("problem_version", "question_type", "query_wo", "query_cot", "problem_index")
            doc = dict.fromkeys((*fields, "sample_index", "question"), "x") | {"metadata": {}}
            doc |= {"answer": truth, "question_for_eval": "?"}
            said = wordings.answer(rng, truth, wordings.text(rng))
            yield make(said, [truth], doc, extra={"question_for_eval": "?"})

    def theirs(self, case: Case) -> float:
        result = mathverse.mathverse_process_results(case.doc, [case.answer])
        return float(result["gpt_eval_score"])

    def reason(self, case: Case, score: float | None) -> str | None:
        if not case.answer.strip() and score == 0:
            return "an empty answer is put before the judge there, and is wrong here"
        return None


class OfMMVet(JudgedPeer):
    name = "MM-Vet"

    @staticmethod
    def says(answer: str) -> str:
        return f"Score: {share(answer)}"

    def __init__(self) -> None:
        self.ours = MMVet(StandIn(self.says))
        self._said = ""
        mmvet.get_chat_response = lambda *_, **__: (f"{share(self._said)} |", "stand-in")

    def cases(self, rng: Random) -> Iterator[Case]:
        while True:
            parts = [wordings.text(rng) for _ in range(rng.randint(1, 3))]
            truth = rng.choice(["<AND>", "<OR>"]).join(parts)
            abilities = rng.sample(ABILITIES, rng.randint(1, 4))
            doc = {"question_id": "v1_0", "question": "?", "answer": truth}
            doc["capability"] = ",".join(abilities)
            said = wordings.answer(rng, truth, wordings.text(rng))
            extra = {"question": "?", "capability": doc["capability"]}
            yield make(said, [truth], doc, extra=extra)

    def theirs(self, case: Case) -> float:
        return self._result(case)["score"]

    def _result(self, case: Case) -> dict[str, Any]:
        self._said = case.answer.strip()
        return mmvet.mmvet_process_results(case.doc, [case.answer])["gpt_eval_score"]

    def reason(self, case: Case, score: float | None) -> str | None:
        if not case.answer.strip() and score == 0:
            return "an empty answer is put before the judge there, and is 0 here"
        return None

    def summaries(
        self, cases: Sequence[Case], scores: Sequence[float | None]
    ) -> Iterator[tuple[str, float, float]]:
        given = [case for case in cases if case.answer.strip()]
        results = [self._result(case) for case in given]
        figures = self.own_figures(given, [self.score(case) for case in given])
        yield "overall", 100 * figures["score"], mmvet.mmvet_aggregate_results(results)


PEERS: Sequence[type[Peer]] = (OfMathVista, OfMathVerse, OfMMVet)
