"""Each benchmark's rule on answers whose score follows from its published definition by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from PIL import Image

from rewards.benchmarks.stand_in_judge import Replies
from visionthink_pl.rewards.benchmarks import (
    MME,
    MMMU,
    POPE,
    Answered,
    Benchmark,
    ChartQA,
    DocVQA,
    MathVerse,
    MathVista,
    MMBench,
    MMMUPro,
    MMVet,
    OCRBench,
    RealWorldQA,
    TextVQA,
)
from visionthink_pl.types import ConfigError, RunStopped, VQASample

IMAGE = Image.new("RGB", (28, 28))
TEN = {"answers": ["nokia"] * 3 + ["toshiba"] * 7}
COLOURS = ("red", "green", "blue")
TEXT, FORMULA = {"dataset": "IIIT5K"}, {"dataset": "HME100k"}


def said(answer: str, *truths: str, **fields: Any) -> Answered:
    given: dict[str, Any] = {"id": "0", "question": "?", "kind": "any"} | fields
    sample = VQASample(answer=truths[0], other_answers=truths[1:], images=(IMAGE,), **given)
    return Answered(sample, answer)


def vista(answer: str, truth: str, kind: str = "text", **columns: Any) -> Answered:
    multiple = columns.get("choices") is not None
    extra = {"question_type": "multi_choice" if multiple else "free_form", "answer_type": kind}
    return said(answer, truth, extra={"choices": None, "precision": None} | extra | columns)


# A benchmark, an answer, and its score.
SCORES: list[tuple[Benchmark, Answered, float]] = [
    # At most 5% off: 0.05 * 20 = 1.
    (ChartQA(), said("21", "20"), 1),
    (ChartQA(), said("21.1", "20"), 0),
    (ChartQA(), said("20%", "0.2"), 1),
    (ChartQA(), said("BLUE", "blue"), 1),
    (ChartQA(), said("light blue", "blue"), 0),
    (ChartQA(), said("5", "7", "5"), 1),  # of several truths any
    (ChartQA(), said("", "blue"), 0),
    # 1 - distance / longer; below one half 0.
    (DocVQA(), said("abcd", "abxy"), 0.5),
    (DocVQA(), said("abcde", "abxyz"), 0),
    (DocVQA(), said("Jon Doe", "john doe"), 0.875),
    (DocVQA(), said("john", "mary", "john"), 1),
    # Contained; in formulas case counts and blanks don't.
    (OCRBench(), said("It says CENTRE.", "centre", extra=TEXT), 1),
    (OCRBench(), said("center", "centre", extra=TEXT), 0),
    (OCRBench(), said("cent re", "centre", extra=TEXT), 0),
    (OCRBench(), said("ＣＥＮＴＲＥ", "centre", extra=TEXT), 1),
    (OCRBench(fold_full_width=False), said("ＣＥＮＴＲＥ", "centre", extra=TEXT), 0),
    (OCRBench(), said("x^{2}", "x ^ { 2 }", extra=FORMULA), 1),
    (OCRBench(), said("X^{2}", "x ^ { 2 }", extra=FORMULA), 0),
    # Three of ten say so: with one of them left out 2/3 (three ways), else 1 (seven ways).
    (TextVQA(), said("Nokia.", "nokia", extra=TEN), (3 * 2 / 3 + 7) / 10),
    (TextVQA(), said("a toshiba", "nokia", extra=TEN), 1),
    (TextVQA(), said("two", "2", extra={"answers": ["2"] * 10}), 1),
    (TextVQA(), said("dog's", "dog", extra={"answers": ["dog 's"] * 10}), 1),
    (TextVQA(tokenise=False), said("dog's", "dog", extra={"answers": ["dog 's"] * 10}), 0),
    (MME(), said("Yes, it is", "Yes"), 1),
    (MME(), said("I know", "No"), 0),  # "i kn" holds neither
    (MME(), said("know", "No"), 1),
    (MME("words"), said("know", "No"), 0),
    (MME("words"), said("I say no.", "No"), 1),
    (MME("words"), said("yes and no", "Yes"), 0),
    (MME(), said("y", "Yes"), 1),
    (POPE(), said("Yes", "yes"), 1),
    (POPE(), said("Yes.", "yes"), 0),
    (POPE("words"), said("Yes.", "yes"), 1),
    (RealWorldQA(), said("The answer is B", "B"), 1),
    (RealWorldQA(), said("Is it A? B.", "B"), 1),  # the end tells more than the middle,
    (RealWorldQA(), said("A or B? B.", "B"), 0),  # and the start more than the end
    (RealWorldQA(), said("Two.", "two"), 1),
    (RealWorldQA(), said("two cars", "two"), 0),
    (RealWorldQA("single"), said("red", "A", question="?\nA. red\nB. blue"), 1),
    (RealWorldQA(), said("red", "A", question="?\nA. red\nB. blue"), 0),
    (MMMU(), said("(A) or (B)", "B", options=COLOURS), 1),
    (MMMU(), said("no idea", "A", options=COLOURS), 0),  # nothing is drawn at random
    (MMMU(), said("I clearly see that this is green", "B", options=COLOURS), 1),
    (MMMU(), said("I see that it is green", "B", options=COLOURS), 1),  # six words
    (MMMU(), said("I see it is green", "B", options=COLOURS), 0),  # five are no sentence
    (MMMU("single"), said("green", "B", options=COLOURS), 1),
    (MMMU(), said("so the area is 12.5.", "12.50"), 1),
    (MMMU(), said("1,250 m", "1250"), 1),
    (MMMU(), said("13", "12.5"), 0),
    (MMMUPro(), said("J", "J", options=tuple("abcdefghij")), 1),
    (MMMUPro("exact"), said("J", "J", options=tuple("abcdefghij")), 1),
    (MMMUPro("exact"), said("J.", "J", options=tuple("abcdefghij")), 0),
    (MMBench(), said("B. green", "B", options=COLOURS, extra={"index": 1}), 1),
    (MMBench(), said("green", "B", options=COLOURS, extra={"index": 1}), 1),
    # A bare A in more than three words may be the article.
    (MMBench(), said("It is A green", "B", options=COLOURS, extra={"index": 1}), 1),
    (MMBench("single"), said("It is A green", "A", options=COLOURS, extra={"index": 1}), 1),
    (MMBench(), said("A and B", "A", options=COLOURS, extra={"index": 1}), 1),  # the start
    (MMBench("single"), said("A and B", "A", options=COLOURS, extra={"index": 1}), 0),
    (MMBench(), said("", "A", options=COLOURS, extra={"index": 1}), 0),
    (MathVista(), vista("12", "12", "integer"), 1),
    (MathVista(), vista("12.0", "12", "integer"), 1),
    (MathVista(), vista("about 12 of them", "12", "integer"), 1),
    (MathVista(), vista("12 of 14", "12", "integer"), 0),  # which one
    (MathVista(), vista("1.24", "1.2", "float", precision=1.0), 1),
    (MathVista(), vista("1.26", "1.2", "float", precision=1.0), 0),
    (MathVista(), vista("B", "green", choices=list(COLOURS)), 1),
    (MathVista(), vista("gren", "green", choices=list(COLOURS)), 1),  # the nearest
    (MathVista(), vista('The answer is "(C)".', "blue", choices=list(COLOURS)), 1),
    (MathVista(), vista("", "red", choices=list(COLOURS)), 0),
]


@pytest.mark.parametrize(("benchmark", "answered", "score"), SCORES)
def test_scores_by_hand(benchmark: Benchmark, answered: Answered, score: float) -> None:
    assert benchmark.score([answered]) == [pytest.approx(score)]


def figures(benchmark: Benchmark, answers: Sequence[Answered]) -> dict[str, float]:
    return benchmark.summarise(answers, benchmark.score(answers))


def mme(name: str, kind: str, *answers: str) -> list[Answered]:
    """Answers to both questions about an image: yes is right, and then no."""
    pairs = zip(answers, ("Yes", "No"), strict=False)
    more = {"kind": kind, "extra": {"question_id": name}}
    return [said(answer, truth, id=f"{name}{truth}", **more) for answer, truth in pairs]


def test_mme_adds_accuracy_and_accuracy_plus() -> None:
    """OCR: three of four answers, one of two images: 75 + 50. Code: one of two, none: 50 + 0."""
    answers = [
        *mme("a", "OCR", "yes", "no"),
        *mme("b", "OCR", "yes", "yes"),
        *mme("c", "code_reasoning", "no", "no"),
    ]
    found = figures(MME(), answers)
    assert (found["perception"], found["cognition"]) == (125, 50)
    assert found["total"] == 175 and found["score"] == 175 / 400
    assert (found["OCR/accuracy"], found["OCR/accuracy+"]) == (0.75, 0.5)


def test_an_image_with_one_question_is_no_pair() -> None:
    found = figures(MME(), [*mme("a", "OCR", "yes"), *mme("b", "OCR", "yes", "no")])
    assert (found["OCR/accuracy"], found["OCR/accuracy+"]) == (1, 1)


@pytest.mark.parametrize(
    ("neither", "recall", "f1"), [("left_out", 1 / 2, 0.5), ("no", 1 / 3, 0.4)]
)
def test_pope_counts_what_is_neither_as_it_is_told(neither: Any, recall: float, f1: float) -> None:
    """Of three truths that are yes one is found, one is called no, and one gets no answer."""
    pairs = [("yes", "yes"), ("no", "yes"), ("maybe", "yes"), ("yes", "no"), ("no", "no")]
    found = figures(POPE(neither=neither), [said(answer, truth) for answer, truth in pairs])
    assert found["precision"] == 1 / 2
    assert found["recall"] == pytest.approx(recall)
    assert found["score"] == pytest.approx(f1)
    assert (found["accuracy"], found["yes_ratio"]) == (2 / 5, 2 / 5)


def rotated(index: int, *answers: str) -> list[Answered]:
    """Answers to a question and to its rotations, of which A is always right."""
    return [
        said(answer, "A", id=str(place), options=COLOURS, extra={"index": place})
        for place, answer in zip(range(index, 9_000_000, 1_000_000), answers, strict=False)
    ]


def test_mmbench_wants_all_rotations() -> None:
    found = figures(MMBench(), [*rotated(1, "A", "A", "A"), *rotated(2, "A", "B", "A")])
    assert (found["score"], found["accuracy"]) == (1 / 2, 5 / 6)


def test_mmbench_s_judge_reads_what_the_rule_does_not() -> None:
    judge = Replies({"the warm one": "Score: 1", "the cold one": "Score: 0"})
    answers = rotated(1, "the warm one", "A", "the cold one", "?")
    assert MMBench(judge=judge, max_failure_rate=0.5).score(answers) == [1, 1, 0, None]
    assert len(judge.cases) == 3


def test_mathvista_s_judge_extracts() -> None:
    judge = Replies({"It is twelve.": "Answer: 12", "It is ten.": "Answer: none"})
    texts = ("It is twelve.", "12", "It is ten.")
    answers = [vista(text, "12", "integer") for text in texts]
    assert MathVista(judge).score(answers) == [1, 1, 0]
    assert [case.answer for case in judge.cases] == ["It is twelve.", "It is ten."]


def test_mmvet_s_grades_by_ability() -> None:
    judge = Replies({"-1": "Score: 0.5", "-1 and -5": "Score: 1.0"})
    abilities = ("ocr,math", "math")
    columns = [{"question": "x?", "capability": some} for some in abilities]
    answers = [
        said(text, "-1<AND>-5", extra=extra)
        for text, extra in zip(("-1", "-1 and -5"), columns, strict=True)
    ]
    assert figures(MMVet(judge), answers) == {"score": 0.75, "math": 0.75, "ocr": 0.5}
    assert {case.truth for case in judge.cases} == {"-1 [AND] -5"}


def test_mathverse_s_judge_sees_its_own_question() -> None:
    judge = Replies({"7": "Score: 1"})
    extra = {"question_for_eval": "Find x."}
    answers = [said("7", "7", extra=extra), said(" ", "7", extra=extra)]
    assert MathVerse(judge).score(answers) == [1, 0]
    assert [case.question for case in judge.cases] == ["Find x."]


def test_a_judge_that_fails_too_often_stops_the_run() -> None:
    extra = {"question_for_eval": "?"}
    answers = [said(str(number), "7", extra=extra) for number in range(10)]
    with pytest.raises(RunStopped, match="no verdict on 10 of 10"):
        MathVerse(Replies({})).score(answers)


MISSING: list[tuple[Benchmark, Mapping[str, Any], str]] = [
    (OCRBench(), {}, "OCRBench needs the column 'dataset'"),
    (TextVQA(), {"x": 1}, "TextVQA needs the column 'answers'"),
    (MathVista(), {}, "MathVista needs the column 'answer_type'"),
]


@pytest.mark.parametrize(("benchmark", "extra", "message"), MISSING)
def test_a_missing_column_is_named(
    benchmark: Benchmark, extra: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        benchmark.score([said("x", "x", extra=extra)])


def test_a_truth_that_is_neither_yes_nor_no_is_named() -> None:
    with pytest.raises(ConfigError, match="is yes or no, not 'maybe'"):
        POPE().score([said("yes", "maybe")])


@pytest.mark.parametrize("kind", [MME, POPE, MMMU, MMBench, RealWorldQA])
def test_an_unknown_rule_is_refused(kind: Any) -> None:
    with pytest.raises(ConfigError, match=f"{kind.__name__}.rule: one of .*, not 'other'"):
        kind(rule="other")
