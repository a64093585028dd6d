"""The resize penalty, by hand: who is penalised in which group."""

from typing import Literal

import pytest

from helpers import direct, high, high_truncated, make_group, neither_not_offered, neither_truncated
from visionthink_pl.rewards import ResizePenalty, RuleAccuracy
from visionthink_pl.rewards.base import Scores
from visionthink_pl.rewards.resize_penalty import GroupCounts, count

Choice = Literal["direct", "high"]


def scored(
    penalty: ResizePenalty, direct_correct: list[float], high_correct: list[float]
) -> tuple[Scores, Scores]:
    """Scores of the direct and of the high trajectories, given who of them was correct."""
    trajectories = [direct() for _ in direct_correct] + [high() for _ in high_correct]
    accuracy: Scores = [*direct_correct, *high_correct]
    scores = penalty.score(make_group(trajectories), {"accuracy": accuracy})
    return scores[: len(direct_correct)], scores[len(direct_correct) :]


def flags(correct: int, total: int) -> list[float]:
    """``correct`` ones, then zeros."""
    return [1.0] * correct + [0.0] * (total - correct)


# (correct direct, direct, correct high, high), who is penalised, why
BY_ACCURACY = [
    ((1, 4, 2, 4), "high", "a tie: 1/4 is not below half of 2/4"),
    ((0, 4, 1, 4), "direct", "0 is below half of 1/4"),
    ((0, 4, 0, 4), None, "nobody was correct"),
    ((0, 0, 3, 8), "high", "only calls were seen"),
    ((3, 8, 0, 0), "high", "only direct answers were seen"),
    ((4, 4, 4, 4), "high", "both looks suffice"),
    ((1, 4, 3, 4), "direct", "1/4 is below half of 3/4"),
    ((1, 7, 1, 1), "direct", "1/7 is below half of 1, though half of the correct are direct"),
    ((4, 4, 0, 4), "high", "the second look never helped"),
]
BY_SHARE = [
    ((1, 4, 4, 4), "high", "r = 1/5 is the threshold, and the comparison is strict"),
    ((1, 3, 5, 5), "direct", "r = 1/6"),
    ((0, 4, 1, 4), "direct", "r = 0"),
    ((0, 4, 0, 4), None, "r is undefined: nobody was correct"),
    ((0, 0, 3, 8), "direct", "r = 0, though nobody answered directly"),
    ((1, 8, 0, 0), "high", "r = 1"),
    ((1, 4, 2, 4), "high", "r = 1/3"),
    ((1, 7, 1, 1), "high", "r = 1/2"),
]


def test_defaults_are_the_papers() -> None:
    # Eq. 5 with theta 0.2 and 0.1 off: r = 1/5 penalises calls, r = 1/6 direct answers.
    assert scored(ResizePenalty(), flags(1, 1), flags(4, 4)) == ([0.0], [-0.1] * 4)
    assert scored(ResizePenalty(), flags(1, 1), flags(5, 5)) == ([-0.1], [0.0] * 5)


@pytest.mark.parametrize(
    ("measure", "counts", "penalised", "why"),
    [("accuracy", *row) for row in BY_ACCURACY] + [("share", *row) for row in BY_SHARE],
)
def test_who_is_penalised(
    measure: Literal["share", "accuracy"],
    counts: tuple[int, int, int, int],
    penalised: Choice | None,
    why: str,
) -> None:
    correct_direct, n_direct, correct_high, n_high = counts
    scores = scored(
        ResizePenalty(measure=measure), flags(correct_direct, n_direct), flags(correct_high, n_high)
    )
    expected = (
        [-0.1 if penalised == "direct" else 0.0] * n_direct,
        [-0.1 if penalised == "high" else 0.0] * n_high,
    )
    assert scores == expected, why


def test_margin() -> None:
    # 2/4 against 4/4: at margin 0.5 a tie, at 0.6 direct answers fall short.
    assert scored(ResizePenalty("accuracy", margin=0.5), flags(2, 4), flags(4, 4))[0] == [0.0] * 4
    assert scored(ResizePenalty("accuracy", margin=0.6), flags(2, 4), flags(4, 4))[0] == [-0.1] * 4


def test_theta() -> None:
    # r = 1/4.
    assert scored(ResizePenalty(theta=0.25), flags(1, 4), flags(3, 4))[0] == [0.0] * 4
    assert scored(ResizePenalty(theta=0.3), flags(1, 4), flags(3, 4))[0] == [-0.1] * 4


def test_theta_0_penalises_every_call() -> None:
    assert scored(ResizePenalty(theta=0), flags(0, 2), flags(1, 2)) == ([0.0] * 2, [-0.1] * 2)
    assert scored(ResizePenalty(theta=0), flags(0, 2), flags(0, 2)) == ([0.0] * 2, [0.0] * 2)


def test_applies_to_narrows_who_is_hit_and_not_the_counts() -> None:
    everyone = scored(ResizePenalty(applies_to="all"), flags(1, 2), flags(1, 3))
    narrowed = scored(ResizePenalty(applies_to="correct"), flags(1, 2), flags(1, 3))
    assert everyone == ([0.0, 0.0], [-0.1, -0.1, -0.1])
    assert narrowed == ([0.0, 0.0], [-0.1, 0.0, 0.0])
    # 1/4 against 2/3. Were only the correct ones counted, it would be 1/1 against 2/2: calls.
    narrow = ResizePenalty("accuracy", applies_to="correct")
    assert scored(narrow, flags(1, 4), flags(2, 3)) == ([-0.1, 0.0, 0.0, 0.0], [0.0] * 3)


def test_truncated_after_the_second_look_counts_as_high() -> None:
    group = make_group([direct(), high(), high_truncated(), high_truncated(), high_truncated()])
    parts: dict[str, Scores] = {"accuracy": [1.0, 1.0, 0.0, 0.0, 0.0]}
    assert count(group, parts["accuracy"]) == GroupCounts(1, 4, 1, 1)
    assert ResizePenalty().score(group, parts) == [0.0, -0.1, -0.1, -0.1, -0.1]
    # 2/5 < half of 1/1, but not of 1/2: the truncated one lowers what the second look is worth.
    answers = [direct() for _ in range(5)]
    group = make_group([*answers, high(), high_truncated()])
    accuracy: Scores = [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    scores = ResizePenalty("accuracy").score(group, {"accuracy": accuracy})
    assert scores == [0.0] * 5 + [-0.1] * 2


@pytest.mark.parametrize("measure", ["share", "accuracy"])
@pytest.mark.parametrize("penalised", ["direct", "high"])
def test_neither_direct_nor_high(measure: Literal["share", "accuracy"], penalised: Choice) -> None:
    group = make_group([neither_truncated(), neither_not_offered(), direct(), high()])
    others_right: Scores = [0.0, 1.0] + ([0.0, 1.0] if penalised == "direct" else [1.0, 1.0])
    assert count(group, others_right).direct == 1
    scores = ResizePenalty(measure).score(group, {"accuracy": others_right})
    assert scores[:2] == [0.0, 0.0]
    assert scores[2:] == ([-0.1, 0.0] if penalised == "direct" else [0.0, -0.1])


def test_correct_but_neither_is_not_somebody_correct() -> None:
    group = make_group([neither_not_offered(), direct(), high()])
    assert ResizePenalty().score(group, {"accuracy": [1.0, 0.0, 0.0]}) == [0.0, 0.0, 0.0]


def test_unknown_accuracy_leaves_the_counts() -> None:
    # Without its first trajectory r = 1/5: calls. Had it counted as correct, r = 2/6; as a
    # direct answer that was wrong nothing would change, hence the second half.
    group = make_group([direct(), direct(), *(high() for _ in range(4))])
    accuracy: Scores = [None, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert count(group, accuracy) == GroupCounts(1, 4, 1, 4)
    assert ResizePenalty().score(group, {"accuracy": accuracy}) == [None, 0.0] + [-0.1] * 4
    # 1/2 against 1/1 is a tie; with the unknown ones counted as wrong it would be 1/4.
    group = make_group([direct(), direct(), direct(), direct(), high()])
    accuracy = [1.0, 0.0, None, None, 1.0]
    scores = ResizePenalty("accuracy").score(group, {"accuracy": accuracy})
    assert scores == [0.0, 0.0, None, None, -0.1]


def test_whoever_another_part_could_not_score_leaves_the_counts() -> None:
    # Without the second direct answer r = 1/5: calls. With it, 2/6, calls too, but under
    # `accuracy` 1/2 against 4/4 is a tie and 0/1 against 4/4 penalises the direct answer.
    group = make_group([direct(), direct(), *(high() for _ in range(4))])
    parts: dict[str, Scores] = {"accuracy": [0.0, *[1.0] * 5], "style": [0.5, None, *[0.5] * 4]}
    assert ResizePenalty("accuracy").score(group, parts) == [-0.1, None, 0.0, 0.0, 0.0, 0.0]
    del parts["style"]
    assert ResizePenalty("accuracy").score(group, parts) == [0.0, 0.0] + [-0.1] * 4


def test_correct_means_exactly_one() -> None:
    group = make_group([direct(), high()])
    assert count(group, [0.5, 1.0]) == GroupCounts(1, 1, 0, 1)


def test_penalty() -> None:
    assert scored(ResizePenalty(penalty=0), flags(1, 2), flags(1, 2)) == ([0.0] * 2, [0.0] * 2)
    assert scored(ResizePenalty(penalty=0.3), flags(1, 2), flags(1, 2))[1] == [-0.3] * 2


def test_needs_who_says_what_is_correct() -> None:
    assert ResizePenalty.needs == (RuleAccuracy.name,)
