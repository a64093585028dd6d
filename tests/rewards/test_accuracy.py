"""The three measures of accuracy as rewards; what the rules say is in ``rules/``."""

import pytest

from helpers import make_group, make_trajectory
from visionthink_pl.rewards.accuracy import ANLS, RelaxedAccuracy, RuleAccuracy
from visionthink_pl.rewards.base import Reward
from visionthink_pl.rewards.resize_penalty import count
from visionthink_pl.types import ConfigError, StopReason

MEASURES = (RuleAccuracy, RelaxedAccuracy, ANLS)


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
