"""No text of 64 kB keeps a parser, grader or reader of verdicts for long, and twice the text takes
about twice the time."""

import re
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from hostile_helpers import long_text, long_texts
from visionthink_pl.callbacks.rollout_text import code
from visionthink_pl.rewards.accuracy import best, matches
from visionthink_pl.rewards.format import has_shape
from visionthink_pl.rewards.judge import Case
from visionthink_pl.rewards.judge.verdict import (
    JudgePrompt,
    parse_extraction,
    parse_grade,
    parse_verdict,
)
from visionthink_pl.rewards.rules.anls import LONGEST as LONGEST_READ_FROM_AN_IMAGE
from visionthink_pl.rewards.rules.anls import similarity
from visionthink_pl.rewards.rules.chartqa import relaxed_match
from visionthink_pl.rewards.rules.mathematics import PROCESS
from visionthink_pl.rewards.rules.text import LONGEST, normalise
from visionthink_pl.rollout.replies import (
    CALL_TAGS,
    InvalidCall,
    extract_answer,
    parse_call,
    split_thought,
)
from visionthink_pl.visual_tools import ResizeImage

Reader = Callable[[str], object]
KILOBYTE = 1000
LIMIT_S = 0.05  # of processor time
PROMPT = JudgePrompt("default", 2000, "Judge")


def call(text: str) -> None:
    with suppress(InvalidCall):
        parse_call(text, [ResizeImage()], CALL_TAGS)


READERS: dict[str, Reader] = {
    "thought": split_thought,
    "call": call,
    "answer": extract_answer,
    "format": lambda text: has_shape(text, "answer"),
    "rules, of an answer": lambda text: [matches(text, truth) for truth in ("7", "B. a dog")],
    "rules, of a truth": lambda text: matches("7 m", text),
    "rules, of both": lambda text: matches(text, text + "x"),
    "ANLS, of an answer": lambda text: best(similarity, text, ["a dog"]),
    "ANLS, of both": lambda text: best(similarity, text, [text[::-1]]),
    "relaxed accuracy": lambda text: best(relaxed_match, text, ["7"]),
    "repeats the question": normalise,
    "judge's prompt": lambda text: PROMPT.messages(Case(text, text, text)),
    "verdict": parse_verdict,
    "grade": parse_grade,
    "extraction": parse_extraction,
    "TensorBoard": code,
}


def seconds(read: Reader, text: str) -> float:
    """Processor time of this thread, the best of at most three goes."""
    times: list[float] = []
    while len(times) < 3 and (not times or min(times) > LIMIT_S / 2):
        start = time.thread_time()
        read(text)
        times.append(time.thread_time() - start)
    return min(times)


@pytest.fixture(autouse=True)
def _no_mathematics(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a limit of its own, in a process of its own, for texts of at most 200 characters."""
    monkeypatch.setattr(PROCESS, "equal", lambda answer, truth: False)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("size", [2000, 64 * KILOBYTE], ids=["where rules read", "64 kB"])
def test_no_text_takes_long(name: str, size: int) -> None:
    slow = {
        text[:30]: s for text in long_texts(size) if (s := seconds(READERS[name], text)) > LIMIT_S
    }
    assert slow == {}


# The shapes that were slow once, for the functions whose time grows with the text.
DOUBLED = [
    ("verdict", "Score: 1", "\n", "x"),
    ("grade", "Score: 1", "\n", "x"),
    ("verdict", "", " ", "Score: 1"),
    ("extraction", "Answer: ", "\n", "x"),
    ("answer", "", "<answer>", ""),
    ("answer", "", "\\boxed{", ""),
    ("answer", "<answer>", "<answer>", "</answer>"),
    ("call", "", "<tool_call>", ""),
    ("call", "<tool_call>", '{"a":', "</tool_call>"),
    ("call", "<tool_call>{", '"a":1,', '"b":2}</tool_call>'),
    ("thought", "<think>", "<answer>", ""),
    ("thought", "", "</think><think>", ""),
    ("format", "<think></think>", "<answer>", "</answer>"),
]


def growth(read: Reader, before: str, piece: str, behind: str) -> float:
    """How many times as long a text of 128 kB takes as one of 32 kB: 4 where time is linear, 16
    where it grows with the square."""
    short, long = (
        min(seconds(read, long_text(before, piece, behind, size * KILOBYTE)) for _ in range(5))
        for size in (32, 128)
    )
    return long / max(short, 1e-4)  # below that the clock and the call itself are measured


@pytest.mark.parametrize(("name", "before", "piece", "behind"), DOUBLED)
def test_time_grows_with_the_text_and_no_faster(
    name: str, before: str, piece: str, behind: str
) -> None:
    assert growth(READERS[name], before, piece, behind) < 9


def test_the_measure_finds_time_that_grows_with_the_square() -> None:
    pattern = re.compile(r"<answer>.*?</answer>", re.DOTALL)  # searched for once for each tag
    assert growth(pattern.findall, "", "<answer>" + " " * 92, "") > 9


BOUNDS = [
    ("7" * LONGEST, "7" * LONGEST, True, "the same, at the limit"),
    ("B. " + "x" * (LONGEST - 3), "B", True, "the rules read it"),
    ("B. " + "x" * LONGEST, "B", False, "too long to be read"),
    ("B", "B. " + "x" * LONGEST, False, "a truth that is too long"),
    ("a  b" * LONGEST, " a b" * LONGEST + "\n", False, "other words"),
    ("a  b " * LONGEST, " a b" * LONGEST + "\n", True, "the same but for white space"),
    ("A b" * LONGEST, "a b" * LONGEST, False, "case counts"),
    (" " * 3 * LONGEST, " " * 3 * LONGEST, False, "blank"),
]


@pytest.mark.parametrize(
    ("answer", "truth", "right", "why"), BOUNDS, ids=[row[3] for row in BOUNDS]
)
def test_longer_texts_are_compared_as_they_are(
    answer: str, truth: str, right: bool, why: str
) -> None:
    assert matches(answer, truth) is right


def test_anls_of_longer_texts_is_one_or_nothing() -> None:
    half = "ab" * (LONGEST_READ_FROM_AN_IMAGE // 2)
    assert similarity(half, half[:-1] + "c") == 1 - 1 / len(half)
    longer = half + "c"
    assert similarity(longer, longer[:-1] + "d") == 0
    assert similarity(longer.upper(), f" {longer}") == 1
