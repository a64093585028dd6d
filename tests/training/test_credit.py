"""Who gets credit, and in which optimizer step."""

from dataclasses import replace

import pytest

from helpers import direct, high, make_group
from visionthink_pl.training import GroupNormalised
from visionthink_pl.training.credit import Credited, credit, micro_batches, split
from visionthink_pl.training.loss_inputs import StepTotals
from visionthink_pl.types import Kept


@pytest.mark.parametrize(
    ("groups", "parts", "sizes"),
    [(6, 2, [3, 3]), (5, 2, [2, 3]), (7, 3, [2, 2, 3]), (2, 5, [1, 1]), (3, 1, [3])],
)
def test_groups_are_split_into_parts_of_one_size(groups: int, parts: int, sizes: list[int]) -> None:
    numbers = list(range(groups))
    found = split(Kept(numbers, numbers, groups), parts)  # type: ignore[arg-type]
    assert [len(part) for part in found] == sizes
    assert [number for part in found for number in part] == numbers  # type: ignore[comparison-overlap]


def test_ranks_split_as_one_process_would() -> None:
    """Seven groups on two ranks, three steps: one rank has nothing for the first."""
    ranks = [[2, 3, 6], [0, 1, 4, 5]]
    found = [split(Kept(own, own, 7), 3) for own in ranks]  # type: ignore[arg-type]
    assert found == [[[], [2, 3], [6]], [[0, 1], [], [4, 5]]]


def test_credit_is_each_group_s_own_and_leaves_out_who_has_no_reward() -> None:
    first, second = make_group([direct(), high(), direct()]), make_group([high(), high()])
    first.rewards, second.rewards = [1.5, None, 0.5], [0.0, 3.0]
    rows = credit([first, second], GroupNormalised("mean"))
    assert [row.trajectory for row in rows] == [
        first.trajectories[0],
        first.trajectories[2],
        *second.trajectories,
    ]
    assert [row.advantage for row in rows] == [0.5, -0.5, -1.5, 1.5]
    assert all(row.old_logprobs is None for row in rows)
    assert StepTotals.of(rows) == StepTotals(trajectories=4, tokens=0)  # nothing was said


@pytest.mark.parametrize(
    ("groups", "size", "expected"),
    [
        ([4, 4, 4], 4, [[0] * 4, [1] * 4, [2] * 4]),
        ([4, 4, 4], 8, [[0] * 4 + [1] * 4, [2] * 4]),
        ([4, 3, 4], 8, [[0] * 4 + [1] * 3, [2] * 4]),  # one has left: the next stays whole
        ([4], 3, [[0] * 3, [0]]),  # a group that can't fit is divided
        ([2, 5], 3, [[0] * 2, [1] * 3, [1] * 2]),
        ([], 3, []),
    ],
)
def test_micro_batches_keep_groups_whole_where_they_fit(
    groups: list[int], size: int, expected: list[list[int]]
) -> None:
    prompts = [make_group([direct()]).trajectories[0].prompt_ids.copy() for _ in groups]
    rows = [
        Credited(replace(direct(), prompt_ids=prompts[index]), 0.0)
        for index, count in enumerate(groups)
        for _ in range(count)
    ]
    number = {id(prompt): index for index, prompt in enumerate(prompts)}
    found = micro_batches(rows, size)
    assert [[number[id(row.trajectory.prompt_ids)] for row in part] for part in found] == expected
