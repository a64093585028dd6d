"""Which groups have signal, and how they are gathered over draws and ranks."""

import pytest

from helpers import make_group, make_trajectory, rollout_batch
from visionthink_pl.training.group_selection import Gathering
from visionthink_pl.types import Group


@pytest.mark.parametrize(
    ("rewards", "signal"),
    [([1.0, 0.0], True), ([1.0, 1.0], False), ([1.0], False), ([], False)],
)
def test_signal_needs_two_that_differ(rewards: list[float], signal: bool) -> None:
    group = make_group([make_trajectory("7") for _ in rewards])
    group.rewards = list(rewards)
    rollouts = rollout_batch([group])
    assert rollouts.signal == [signal]
    assert len(rollouts.kept.groups) == rollouts.kept.total == signal


def groups(count: int) -> list[Group]:
    return [make_group([]) for _ in range(count)]


def run(gathering: Gathering, draws: list[int], wanted: int = 4, last: int | None = None):
    """What each draw yields: groups to train on, surplus, groups that wait."""
    out = []
    for index, count in enumerate(draws):
        now = gathering.add(groups(count), [count], 0, wanted, last == index)
        assert list(now.indices) == list(range(now.total)) and len(now.groups) == now.total
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
            kept |= {index: id(g) for index, g in zip(now.indices, now.groups, strict=True)}
    assert [kept[index] for index in sorted(kept)] == [id(group) for group in whole.groups]
    assert whole.total == 5 and whole.surplus == 2
