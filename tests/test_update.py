"""Who gets credit, and in which optimizer step."""

import pytest

from helpers import direct, high, make_group
from visionthink_pl.update import StepTotals, credit, split


@pytest.mark.parametrize(
    ("groups", "parts", "sizes"),
    [(6, 2, [3, 3]), (5, 2, [2, 3]), (7, 3, [2, 2, 3]), (2, 5, [1, 1]), (3, 1, [3])],
)
def test_groups_are_split_into_parts_of_one_size(groups: int, parts: int, sizes: list[int]) -> None:
    numbers = list(range(groups))
    found = split(numbers, parts)  # type: ignore[arg-type]
    assert [len(part) for part in found] == sizes
    assert [number for part in found for number in part] == numbers  # type: ignore[comparison-overlap]


def test_credit_is_each_group_s_own_and_leaves_out_who_has_no_reward() -> None:
    first, second = make_group([direct(), high(), direct()]), make_group([high(), high()])
    first.rewards, second.rewards = [1.5, None, 0.5], [0.0, 3.0]
    rows = credit([first, second], "mean", 0.0)
    assert [row.trajectory for row in rows] == [
        first.trajectories[0],
        first.trajectories[2],
        *second.trajectories,
    ]
    assert [row.advantage for row in rows] == [0.5, -0.5, -1.5, 1.5]
    assert all(row.old_logprobs is None for row in rows)
    assert StepTotals.of(rows) == StepTotals(trajectories=4, tokens=0)  # nothing was said
