"""What is left out of training, and how groups are gathered."""

import pytest

from helpers import make_group, make_trajectory
from visionthink_pl.training.filters import (
    DropDuplicates,
    DropEmpty,
    DropOverlong,
    Filter,
    Gathering,
    filter_group,
    with_signal,
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
def test_overlong_is_out_of_tokens_and_nothing_else(stop: StopReason) -> None:
    group = make_group([make_trajectory("7", stop=stop)])
    assert DropOverlong().keeps(group) == [stop is not StopReason.OUT_OF_TOKENS]


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


@pytest.mark.parametrize(
    ("rewards", "signal"),
    [([1.0, 0.0], True), ([1.0, 1.0], False), ([1.0], False), ([], False)],
)
def test_signal_needs_two_that_differ(rewards: list[float], signal: bool) -> None:
    group = make_group([make_trajectory("7") for _ in rewards])
    group.rewards = list(rewards)
    assert (with_signal([group]) == [group]) is signal


def groups(count: int) -> list[Group]:
    return [make_group([]) for _ in range(count)]


def run(gathering: Gathering, draws: list[int], wanted: int = 4, last: int | None = None):
    """What each draw yields: groups to train on, surplus, groups that wait."""
    out = []
    for index, count in enumerate(draws):
        now = gathering.add(groups(count), [count], 0, wanted, last == index)
        assert now.places == list(range(now.total)) and len(now.groups) == now.total
        out.append((now.total, now.surplus, gathering.waiting))
    return out


def test_one_draw_never_waits() -> None:
    assert run(Gathering(1), [3, 0, 4]) == [(3, 0, 0), (0, 0, 0), (4, 0, 0)]


def test_draws_until_the_batch_is_full() -> None:
    assert run(Gathering(5), [1, 2, 3, 0, 4]) == [
        (0, 0, 1),
        (0, 0, 3),
        (4, 2, 0),  # six were there: two too many
        (0, 0, 0),
        (4, 0, 0),
    ]


def test_takes_what_there_is_after_the_last_draw_allowed() -> None:
    assert run(Gathering(3), [1, 0, 1, 1]) == [(0, 0, 1), (0, 0, 1), (2, 0, 0), (0, 0, 1)]


def test_takes_what_there_is_when_no_draw_will_follow() -> None:
    assert run(Gathering(9), [1, 1, 1], last=1) == [(0, 0, 1), (2, 0, 0), (0, 0, 1)]


def test_the_oldest_groups_are_taken_first() -> None:
    gathering, first, second = Gathering(9), groups(3), groups(3)
    gathering.add(first, [3], 0, 4, False)
    now = gathering.add(second, [3], 0, 4, False)
    assert [id(group) for group in now.groups] == [id(group) for group in [*first, second[0]]]
    assert now.surplus == 2


def test_ranks_keep_what_one_process_would() -> None:
    """Two draws over three ranks; five groups wanted, and the last draw has two too many."""
    draws = [[2, 0, 1], [1, 2, 1]]
    everything, own, kept = Gathering(9), [Gathering(9) for _ in range(3)], {}
    for counts in draws:
        drawn = [groups(count) for count in counts]
        whole = everything.add(sum(drawn, []), [sum(counts)], 0, 5, False)
        for rank, gathering in enumerate(own):
            now = gathering.add(drawn[rank], counts, rank, 5, False)
            assert (now.total, now.surplus) == (whole.total, whole.surplus)
            assert gathering.waiting == everything.waiting
            kept |= {place: id(g) for place, g in zip(now.places, now.groups, strict=True)}
    assert [kept[place] for place in sorted(kept)] == [id(group) for group in whole.groups]
    assert whole.total == 5 and whole.surplus == 2
