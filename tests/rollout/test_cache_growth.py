"""How often a cache is copied, and how large it becomes."""

from collections.abc import Sequence

import pytest
import torch

from visionthink_pl.policy import Policy
from visionthink_pl.rollout.cache import RaggedCache
from visionthink_pl.rollout.decoder import BUCKET, Decoder, Given
from visionthink_pl.rollout.rows import Generated

PROMPT, NEW = 200, 4


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The capacity of each cache that is copied to."""
    taken: list[int] = []
    take = RaggedCache.take

    def counted(cache: RaggedCache, rows_N: torch.Tensor, capacity: int) -> RaggedCache:
        taken.append(capacity)
        return take(cache, rows_N, capacity)

    monkeypatch.setattr(RaggedCache, "take", counted)
    return taken


def turns(policy: Policy, blocks: Sequence[Sequence[int]], growth: float) -> list[list[Generated]]:
    """Greedy turns of two rows, between which they are given so many ids each."""
    decoder = Decoder(policy, NEW, 1, growth=growth)
    out: list[list[Generated]] = [[], []]
    with torch.no_grad():
        decoder.start([Given([20] * PROMPT, [])], [0, 0], None)
        for lengths in [*blocks, None]:
            while decoder.decoding:
                for row, generated in decoder.run():
                    out[row].append(generated)
            if lengths is not None:
                given = {row: Given([30 + row] * n, []) for row, n in enumerate(lengths)}
                decoder.resume(given, None)
    return out


@pytest.mark.parametrize(("growth", "most"), [(1.0, 7), (1.5, 4)])
def test_a_cache_grows_by_half_and_so_is_copied_less_often(
    policy: Policy, copies: list[int], growth: float, most: int
) -> None:
    turns(policy, [(60, 60)] * 6, growth)
    assert len(copies) == most and copies == sorted(copies)


def test_without_growth_it_has_the_room_of_the_longest_row(
    policy: Policy, copies: list[int]
) -> None:
    """A long response in one row does not make room behind a long history in another."""
    turns(policy, [(1, 300), (300, 1)], 1.0)
    longest = PROMPT + 300 + 1 + 3 * NEW
    assert copies[-1] == -(-longest // BUCKET) * BUCKET < PROMPT + 600


def test_what_is_generated_is_the_same(policy: Policy) -> None:
    blocks = [(3, 200), (200, 3), (70, 70)]
    for one, other in zip(turns(policy, blocks, 1.0), turns(policy, blocks, 1.5), strict=True):
        assert [turn.ids for turn in one] == [turn.ids for turn in other]
        for a, b in zip(one, other, strict=True):
            assert a.logprobs == pytest.approx(b.logprobs, abs=1e-5)
