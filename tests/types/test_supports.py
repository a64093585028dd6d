"""The ids that tokens were chosen from, token by token."""

import torch

from visionthink_pl.types.supports import Supports

NEVER_V = torch.tensor([False, False, True, False, False])


def sets(*of: list[int]) -> Supports:
    return Supports.of([torch.tensor(ids, dtype=torch.int32) for ids in of])


def possible(supports: Supports) -> list[list[int]]:
    """The ids that each token could have been."""
    return [row.nonzero().flatten().tolist() for row in ~supports.excluded(NEVER_V)]


def test_all_others_are_excluded() -> None:
    supports = sets([0, 4], [3], [0, 1, 3])
    assert possible(supports) == [[0, 4], [3], [0, 1, 3]]
    assert supports.ids_M.dtype == torch.int32


def test_without_a_set_all_that_may_be_sampled_is_possible() -> None:
    mixed = Supports.joined([sets([1]), Supports.whole(2), sets([4], [0, 3])])
    assert possible(mixed) == [[1], [0, 1, 3, 4], [0, 1, 3, 4], [4], [0, 3]]
    assert possible(Supports.whole(1)) == [[0, 1, 3, 4]]


def test_parts_are_those_tokens_alone() -> None:
    mixed = Supports.joined([sets([1], [0, 3]), Supports.whole(1), sets([4])])
    for size in (1, 2, 3, 4, 9):
        parts = mixed.split(size)
        assert [len(part.counts_K) for part in parts][:-1] == [size] * (len(parts) - 1)
        assert [ids for part in parts for ids in possible(part)] == possible(mixed)
