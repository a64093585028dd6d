"""The price of looks by level, by hand, and against the resize penalty."""

from itertools import product

import pytest

from helpers import direct, high_truncated, make_group, make_trajectory, neither_truncated
from visionthink_pl.rewards import LookPenalty, ResizePenalty
from visionthink_pl.rewards.base import Scores
from visionthink_pl.types import Group, Trajectory, View

FIRST, FULL = 4, 16  # visual tokens of the first look and of a full one: ``make_group`` says 16


def looked(*tokens: int) -> Trajectory:
    """A trajectory with looks of so many tokens; without any, a direct answer."""
    trajectory = make_trajectory("7")
    trajectory.first_look_tokens = FIRST
    image = make_group([]).sample.images[0]
    for count in tokens:
        turn = make_trajectory(high=True).turns[0]
        turn.shown, turn.visual_tokens = [View(image)], count
        trajectory.turns.append(turn)
    return trajectory


def scores(penalty: LookPenalty, rows: list[tuple[Trajectory, float | None]]) -> Scores:
    group = make_group([trajectory for trajectory, _ in rows])
    return penalty.score(group, {"accuracy": [correct for _, correct in rows]})


@pytest.mark.parametrize("by", ["tokens", "looks"])
@pytest.mark.parametrize("margin", [0.0, 0.3, 0.5, 1.0])
def test_with_two_levels_it_is_the_resize_penalty_by_accuracy(by: str, margin: float) -> None:
    """In every table of counts of groups of up to eight."""
    tables = 0
    ours = LookPenalty(by=by, margin=margin)
    theirs = ResizePenalty(measure="accuracy", margin=margin)
    for directs, highs in product(range(9), repeat=2):
        if not 1 <= directs + highs <= 8:
            continue
        for right, right_high in product(range(directs + 1), range(highs + 1)):
            rows = [looked() for _ in range(directs)] + [looked(FULL) for _ in range(highs)]
            correct: Scores = [float(i < right) for i in range(directs)]
            correct += [float(i < right_high) for i in range(highs)]
            group = make_group(rows)
            assert ours.score(group, {"accuracy": correct}) == theirs.score(
                group, {"accuracy": correct}
            ), (directs, highs, right, right_high)
            tables += 1
    assert tables == 494


def test_a_table_in_which_a_margin_decides_is_not_the_other_s() -> None:
    """The comparison above tells margins apart."""
    rows = [(looked(), 1.0), (looked(), 0.0), (looked(FULL), 1.0)]
    group = make_group([trajectory for trajectory, _ in rows])
    accuracy = {"accuracy": [correct for _, correct in rows]}
    strict = ResizePenalty(measure="accuracy", margin=0.9).score(group, accuracy)
    assert LookPenalty(margin=0.5).score(group, accuracy) != strict


@pytest.mark.parametrize(
    ("tokens", "by_tokens", "by_looks"),
    [((), 0, 0), ((1,), 1, 1), ((4,), 1, 1), ((16,), 2, 1), ((4, 4), 2, 2), ((16, 16), 3, 2)],
)
def test_levels(tokens: tuple[int, ...], by_tokens: int, by_looks: int) -> None:
    """5/4, 8/4, 20/4, 12/4 and 36/4 of the first look's tokens: log2 is 0.3, 1, 2.3, 1.6, 3.2."""
    assert LookPenalty().level(looked(*tokens)) == by_tokens
    assert LookPenalty(by="looks").level(looked(*tokens)) == by_looks


# Looks of each trajectory, who was correct, what each pays of a penalty of 0.1 by tokens, and why.
HAND = [
    ([(), (4,), (16,)], [0, 1, 1], [-0.1, 0.0, -0.1 * 12 / 16], "a quarter suffices"),
    ([(), (4,), (16,)], [1, 1, 1], [0.0, -0.1 * 4 / 16, -0.1], "the first look suffices"),
    ([(), (4,), (16,)], [0, 0, 1], [-0.1, -0.1, 0.0], "only the full image does"),
    ([(), (4,), (16,)], [0, 0, 0], [0.0, 0.0, 0.0], "nobody was correct"),
    ([(4,), (16,)], [1, 1], [-0.1 * 4 / 16, -0.1], "nobody tried the first look alone"),
    ([(4,), (16,)], [0, 1], [-0.1, -0.1], "likewise, and a quarter does not suffice"),
    ([(), (), (4,)], [1, 0, 1], [0.0, 0.0, -0.1 * 4 / 16], "half as accurate is enough"),
    ([(16, 16), ()], [1, 1], [-0.1, 0.0], "no more than the penalty"),
]


@pytest.mark.parametrize(("looks", "correct", "paid", "why"), HAND, ids=[row[3] for row in HAND])
def test_by_hand(
    looks: list[tuple[int, ...]], correct: list[int], paid: list[float], why: str
) -> None:
    rows = [(looked(*tokens), float(right)) for tokens, right in zip(looks, correct, strict=True)]
    assert scores(LookPenalty(), rows) == pytest.approx(paid), why


def test_who_is_not_counted() -> None:
    """One that no other part could score, and one that neither looked nor answered."""
    cut = high_truncated()
    cut.first_look_tokens, cut.turns[0].visual_tokens = FIRST, FULL
    found = scores(
        LookPenalty(),
        [(looked(), None), (neither_truncated(), 0.0), (looked(FULL), 1.0), (cut, 0.0)],
    )
    # The level of the two that looked is right half of the time, and the only one that counts.
    assert found == [None, 0.0, -0.1, -0.1]


def test_the_order_of_a_group_plays_no_role() -> None:
    rows = [(looked(), 0.0), (looked(4), 1.0), (looked(16), 1.0), (looked(4, 4), 0.0)]
    expected = scores(LookPenalty(), rows)
    assert scores(LookPenalty(), rows[::-1]) == expected[::-1]


def test_a_group_needs_tokens_of_a_full_look() -> None:
    group = Group(make_group([]).sample, [direct()], full_look_tokens=16)
    assert LookPenalty().score(group, {"accuracy": [1.0]}) == [0.0]
