"""The three measures of accuracy as rewards; what the rules say is in ``rules/``."""

import pytest

from helpers import make_group, make_trajectory
from visionthink_pl.rewards import score_group
from visionthink_pl.rewards.accuracy import (
    ANLS,
    RelaxedAccuracy,
    RuleAccuracy,
    matches,
    matches_any,
)
from visionthink_pl.rewards.base import Reward
from visionthink_pl.rewards.resize_penalty import count
from visionthink_pl.rewards.rules.math_process import Undecided
from visionthink_pl.rewards.rules.mathematics import PROCESS
from visionthink_pl.types import ConfigError, StopReason

MEASURES = (RuleAccuracy, RelaxedAccuracy, ANLS)
HANG = "u(u+1)"  # takes for ever under a truth of mathematics; see the fixture


def test_scores_the_extracted_answer_and_nothing_else() -> None:
    group = make_group(
        [
            make_trajectory("7"),
            make_trajectory("8"),
            make_trajectory(None, stop=StopReason.NO_ANSWER),  # no answer is wrong, not unknown
            make_trajectory("7", stop=StopReason.OUT_OF_TOKENS),  # the stop reason plays no part
        ],
        truth="7",
    )
    for measure in MEASURES:
        assert measure().score(group, {}) == [1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("measure", "scores"),
    [
        (RuleAccuracy, [1.0, 0.0, 0.0, 1.0]),  # exact, or the number without its decimals
        (RelaxedAccuracy, [1.0, 1.0, 0.0, 1.0]),  # 104 is within 5%
        (ANLS, [1.0, 2 / 3, 0.0, 3 / 5]),  # one edit of 3; three of 3; two of 5
    ],
)
def test_each_measures_its_own(measure: type[Reward], scores: list[float]) -> None:
    answers = ["100", "104", "abc", "100.0"]
    group = make_group([make_trajectory(answer) for answer in answers], truth="100")
    assert measure().score(group, {}) == pytest.approx(scores)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_blank_answer_is_wrong_whatever_the_truth(measure: type[Reward]) -> None:
    for truth in ("", " ", "7"):
        group = make_group([make_trajectory(""), make_trajectory(" \n")], truth=truth)
        assert measure().score(group, {}) == [0.0, 0.0]


def test_a_similar_answer_does_not_count_as_correct() -> None:
    group = make_group([make_trajectory("hello"), make_trajectory("hallo")], truth="hello")
    assert count(group, ANLS().score(group, {})).correct_direct == 1


def test_units_may_be_strict() -> None:
    group = make_group([make_trajectory("28"), make_trajectory("28%")], truth="28")
    assert RuleAccuracy().score(group, {}) == [1.0, 1.0]
    assert RuleAccuracy(units="strict").score(group, {}) == [1.0, 0.0]
    with pytest.raises(ConfigError, match="RuleAccuracy.units: 'optional' or 'strict', not 'lax'"):
        RuleAccuracy(units="lax")  # type: ignore[arg-type]


@pytest.mark.parametrize("measure", MEASURES)
def test_name_and_weight(measure: type[Reward]) -> None:
    assert measure.name == "accuracy"  # the resize penalty looks it up
    assert measure().weight == 1.0
    assert measure(weight=2.0).weight == 2.0


# Answer, truths, and what rules, relaxed accuracy and ANLS give.
SEVERAL = [
    ("red", ("red", "crimson"), (1, 1, 1), "the first"),
    ("crimson", ("red", "crimson"), (1, 1, 1), "the last"),
    ("blue", ("red", "crimson"), (0, 0, 0), "neither"),
    ("red crimson", ("red", "crimson"), (0, 0, 7 / 11), "both: right by no rule"),
    ("crimsen", ("red", "crimson"), (0, 0, 6 / 7), "ANLS: the nearest"),
    ("crimsen", ("crimson", "red"), (0, 0, 6 / 7), "whatever their order"),
    ("104", ("7", "100"), (0, 1, 2 / 3), "within 5% of one of them"),
    ("1/2", ("nine", "0.5"), (1, 0, 0), "by mathematics"),
    ("red", ("red", "red", "Red"), (1, 1, 1), "repetitions"),
    ("blue", ("red", "red"), (0, 0, 0), "repetitions of what is wrong"),
    ("", ("red", ""), (0, 0, 0), "a blank answer is wrong, whatever the truths"),
]


@pytest.mark.parametrize(("answer", "truths", "scores", "why"), SEVERAL)
def test_of_several_truths_the_best(
    answer: str, truths: tuple[str, ...], scores: tuple[float, ...], why: str
) -> None:
    group = make_group([make_trajectory(answer)], truths[0], truths[1:])
    found = [measure().score(group, {})[0] for measure in MEASURES]
    assert found == pytest.approx(scores), why


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes for ever, and what does not, in no time."""

    def equal(answer: str, truth: str) -> bool:
        if answer == HANG:
            raise Undecided
        return answer == "1+x"

    monkeypatch.setattr(PROCESS, "equal", equal)


@pytest.mark.usefixtures("hanging")
def test_what_could_not_be_decided_is_no_score() -> None:
    """It leaves its group, and is no zero."""
    assert matches(HANG, "x+1") is None
    group = make_group([make_trajectory(answer) for answer in ("1+x", HANG, "2+x")], "x+1")
    score_group(group, [RuleAccuracy()])
    assert group.parts["accuracy"] == [1.0, None, 0.0]
    assert [trajectory.answer for trajectory in group.scored()[0]] == ["1+x", "2+x"]


@pytest.mark.usefixtures("hanging")
def test_what_one_truth_leaves_open_another_may_decide() -> None:
    assert matches_any(HANG, ("x+1", "red")) is None
    assert matches_any(HANG, ("red", "x+1")) is None
    assert matches_any(HANG, ("x+1", HANG)) is True
    assert matches_any(HANG, ("red",)) is False


def test_equal_answers_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def equal(answer: str, truth: str) -> bool:
        asked.append(answer)
        return answer == "y(y+1)"

    monkeypatch.setattr(PROCESS, "equal", equal)
    answers = ["y(y+1)", "y(y+2)"] * 8
    group = make_group([make_trajectory(answer) for answer in answers], "y^2+y")
    assert RuleAccuracy().score(group, {}) == [1.0, 0.0] * 8
    assert asked == ["y(y+1)", "y(y+2)"]
