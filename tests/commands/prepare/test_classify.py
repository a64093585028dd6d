"""Classes by hand-computed tables, and the draw that balances them."""

import pytest

from visionthink_pl.commands.prepare.classify import Verdict, agreement, balance, classify

NEEDS, SUFFICES, DROPPED = Verdict.NEEDS_HIGH, Verdict.LOW_SUFFICES, Verdict.DROPPED

# low, high, of how many, gain, class, why
TABLE = [
    (8, 8, 8, 6, SUFFICES, "all 16 correct"),
    (7, 8, 8, 6, DROPPED, "one miss at low resolution"),
    (8, 7, 8, 6, DROPPED, "one miss at high resolution"),
    (7, 7, 8, 6, DROPPED, "one miss at each"),
    (0, 0, 8, 6, DROPPED, "too hard either way"),
    (0, 5, 8, 6, DROPPED, "a gain of 5"),
    (0, 6, 8, 6, NEEDS, "a gain of 6"),
    (0, 7, 8, 6, NEEDS, "a gain of 7"),
    (0, 8, 8, 6, NEEDS, "a gain of 8"),
    (2, 7, 8, 6, DROPPED, "a gain of 5, most correct at high resolution"),
    (2, 8, 8, 6, NEEDS, "a gain of 6, some correct at low resolution"),
    (3, 8, 8, 6, DROPPED, "a gain of 5, all correct at high resolution"),
    (8, 0, 8, 6, DROPPED, "high resolution hurts"),
    (8, 2, 8, 6, DROPPED, "the gain has a sign"),
    (1, 1, 1, 1, SUFFICES, "one rollout"),
    (0, 1, 1, 1, NEEDS, "one rollout"),
    (4, 4, 4, 2, SUFFICES, "all of other numbers"),
    (2, 4, 4, 2, NEEDS, "another gain"),
]


@pytest.mark.parametrize(("low", "high", "rollouts", "gain", "verdict", "why"), TABLE)
def test_classify(
    low: int, high: int, rollouts: int, gain: int, verdict: Verdict, why: str
) -> None:
    assert classify(low, high, rollouts, gain) is verdict, why


@pytest.mark.parametrize(("low", "high"), [(9, 8), (8, 9), (-1, 8)])
def test_impossible_counts_are_refused(low: int, high: int) -> None:
    with pytest.raises(ValueError, match="correct of 8"):
        classify(low, high, 8, 6)


def verdicts(needs: int, suffices: int, dropped: int) -> dict[int, Verdict]:
    """So many of each, their indices interleaved by a stride."""
    listed = [NEEDS] * needs + [SUFFICES] * suffices + [DROPPED] * dropped
    return {index * 7 % 1009: verdict for index, verdict in enumerate(listed)}


@pytest.mark.parametrize(
    ("needs", "suffices"), [(30, 12), (12, 30), (9, 9), (5, 0), (0, 5), (0, 0)]
)
def test_balance_draws_all_of_the_smaller_class_and_as_many_of_the_larger(
    needs: int, suffices: int
) -> None:
    found = verdicts(needs, suffices, 17)
    kept = balance(found, seed=0)
    classes = [found[index] for index in kept]
    assert classes.count(NEEDS) == classes.count(SUFFICES) == min(needs, suffices)
    assert kept == sorted(set(kept)) and DROPPED not in classes


def test_balance_depends_on_its_seed_alone() -> None:
    found = verdicts(40, 10, 5)
    backwards = dict(reversed(found.items()))
    assert balance(found, seed=1) == balance(backwards, seed=1)
    assert len({tuple(balance(found, seed=seed)) for seed in range(5)}) == 5


AGREEMENT = [
    ([(NEEDS, True), (SUFFICES, False)], 1.0, "both as the source says"),
    ([(NEEDS, False), (SUFFICES, True)], 0.0, "neither"),
    ([(NEEDS, True), (NEEDS, False), (SUFFICES, False), (SUFFICES, False)], 0.75, "three of four"),
    ([(NEEDS, True), (SUFFICES, None)], 1.0, "where nothing is known, nothing is counted"),
    ([(NEEDS, None)], None, "nothing is known"),
    ([], None, "nothing is kept"),
]


@pytest.mark.parametrize(("pairs", "expected", "why"), AGREEMENT)
def test_agreement(
    pairs: list[tuple[Verdict, bool | None]], expected: float | None, why: str
) -> None:
    assert agreement(pairs) == expected, why
