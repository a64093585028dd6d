"""What is left out of training."""

import pytest

from helpers import make_group, make_trajectory
from visionthink_pl.training.filters import (
    DropDuplicates,
    DropEmpty,
    DropOverlong,
    Filter,
    filter_group,
)
from visionthink_pl.types import Group, StopReason, Turn


def said(*texts: str, ids: tuple[int, ...] = ()) -> list[Turn]:
    return [Turn(list(ids), [], text) for text in texts]


def group_of(*turns: list[Turn]) -> Group:
    group = make_group([make_trajectory("7", row) for row in turns])
    group.rewards = [float(index) for index in range(len(turns))]
    group.parts = {"accuracy": list(group.rewards)}
    return group


KEEPS = [
    (DropEmpty(), group_of(said("a"), said(""), said(" \n\t"), []), [True, False, False, False]),
    (DropEmpty(), group_of(said("", "a"), said("a", "")), [True, True]),
    (
        DropDuplicates(),
        group_of(
            said("a", ids=(1, 2)),
            said("a", ids=(1, 2)),  # said before
            said("a", ids=(1, 3)),  # the same text by other ids
            said("a", "a", ids=(1, 2)),  # another turn as well
            said("a", ids=(1, 2)),
        ),
        [True, False, True, True, False],
    ),
]


@pytest.mark.parametrize(("filter_", "group", "keeps"), KEEPS)
def test_keeps(filter_: Filter, group: Group, keeps: list[bool]) -> None:
    assert filter_.keeps(group) == keeps


@pytest.mark.parametrize("stop", list(StopReason))
def test_overlong_is_out_of_tokens_or_turns_and_nothing_else(stop: StopReason) -> None:
    group = make_group([make_trajectory("7", stop=stop)])
    over = [StopReason.OUT_OF_TOKENS, StopReason.OUT_OF_LENGTH]
    assert DropOverlong().keeps(group) == [stop not in over]
    assert DropOverlong(turns=True).keeps(group) == [stop not in [*over, StopReason.OUT_OF_TURNS]]


def test_what_is_dropped_leaves_the_group_and_the_group_stays_as_it_was() -> None:
    group = group_of(said("a"), said(""), said("b"), said("c"))
    group.rewards[2] = None
    filtered = filter_group(group, [DropEmpty()])
    assert filtered.trajectories == [group.trajectories[0], group.trajectories[3]]
    assert (filtered.rewards, filtered.parts) == ([0.0, 3.0], {"accuracy": [0.0, 3.0]})
    assert len(group.trajectories) == len(group.rewards) == len(group.parts["accuracy"]) == 4


def test_several_filters_drop_what_any_of_them_drops() -> None:
    group = group_of(said("a", ids=(1,)), said("", ids=(2,)), said("a", ids=(1,)))
    assert filter_group(group, [DropEmpty(), DropDuplicates()]).rewards == [0.0]
