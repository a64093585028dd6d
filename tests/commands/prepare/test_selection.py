"""What is kept, and numbers that add up."""

import random
from pathlib import Path

import pytest

from prepare_helpers import make_settings
from visionthink_pl.commands.prepare.record import Row
from visionthink_pl.commands.prepare.selection import Summary, select


def rows(count: int, seed: int) -> list[Row]:
    """Rows of every sort, at random."""
    rng = random.Random(seed)
    sorts = [{"unreadable": "no image"}, {"duplicate_of": "0"}, {"low": None, "high": 3}]
    sorts += [{"low": 8, "high": 8}, {"low": 0, "high": 8}] * 3
    said = (None, True, False)
    made = [rng.choice([*sorts, {"low": rng.randint(0, 8), "high": 3}]) for _ in range(count)]
    return [Row(i, str(i), needs_second_look=rng.choice(said), **r) for i, r in enumerate(made)]


def assert_adds_up(summary: Summary) -> None:
    assert summary.kept == summary.needs_high + summary.low_suffices
    left = summary.dropped + summary.left_out_by_balance + summary.duplicates
    left += summary.unreadable + summary.unscored
    assert summary.samples == summary.kept + left


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("balance", [True, False])
def test_the_numbers_add_up(tmp_path: Path, seed: int, balance: bool) -> None:
    settings = make_settings(tmp_path, rollouts=8, gain=6, balance=balance)
    selection = select(rows(seed * 7, seed), settings)
    summary = selection.summary
    assert_adds_up(summary)
    assert summary.samples == seed * 7 and summary.kept == len(selection.kept)
    assert (summary.needs_high == summary.low_suffices) or not balance
    assert summary.left_out_by_balance == 0 or balance
    assert (summary.agreement is None) == (summary.agreement_over == 0)


def test_the_numbers_by_hand(tmp_path: Path) -> None:
    counts = [(8, 8), (8, 8), (0, 8), (4, 8), (8, 8)]
    said = [False, False, False, None, False]
    made = [
        Row(i, str(i), low=low, high=high, needs_second_look=needs)
        for i, ((low, high), needs) in enumerate(zip(counts, said, strict=True))
    ]
    made += [Row(5, "5", unreadable="x"), Row(6, "6", duplicate_of="0"), Row(7, "7", high=8)]
    settings = make_settings(tmp_path, rollouts=8, gain=6)
    assert select(made, settings).summary == Summary(
        samples=8,
        kept=2,
        needs_high=1,
        low_suffices=1,
        dropped=1,
        left_out_by_balance=2,
        duplicates=1,
        unreadable=1,
        unscored=1,
        agreement=0.5,
        agreement_over=2,
    )


def test_kept_rows_are_in_the_order_of_the_source(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, rollouts=8, gain=6)
    kept = select(reversed(rows(100, 1)), settings).kept
    assert [row.index for row in kept] == sorted(row.index for row in kept)
    assert kept == select(rows(100, 1), settings).kept
