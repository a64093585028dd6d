"""State of decoding rows on the device, and the sampling of an id."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from visionthink_pl.types.supports import Supports


def uniforms(seed: int, key: str, count: int) -> Tensor:
    """``count`` numbers in [0, 1) that depend on (seed, key) alone, on any machine."""
    digest = hashlib.sha256(f"{seed}/{key}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return torch.rand(count, generator=generator)


def pick(logprobs_NV: Tensor, uniform_N: Tensor | None) -> Tensor:
    """Choose an id a row: the most likely, or by inverse CDF where random numbers are given.

    A row's choice depends on nothing but its own distribution and number. In fp64, a uniform
    number below 1 never lands behind the last id, nor on an id of probability 0.
    """
    if uniform_N is None:
        return logprobs_NV.argmax(-1)
    cdf_NV = logprobs_NV.exp().cumsum(-1, dtype=torch.float64)
    target_N1 = uniform_N[:, None].double() * cdf_NV[:, -1:]
    return torch.searchsorted(cdf_NV, target_N1, right=True).squeeze(-1)


@dataclass(frozen=True)
class Generated:
    """What one row generated in one turn.

    Attributes:
        ids: sampled ids, the end-of-turn token included if it came.
        logprobs: their log-probabilities, in nats.
        finished: whether the end-of-turn token came within ``max_new_tokens``.
        supports: the ids that each was chosen from; ``None`` where from all that may be sampled.
    """

    ids: list[int]
    logprobs: list[float]
    finished: bool
    supports: Supports | None = None


@dataclass
class DecodingRows:
    """How far N rows have come, on the device; rows that do not decode stay where they are.

    Attributes:
        lengths_N: tokens in the cache.
        positions_N: rotary position of the next token.
        unfed_N: the id that is read next, the last one that was given or sampled.
        steps_N: ids generated in this turn.
        decoding_N: whether the turn goes on.
        ids_NT: what was generated in this turn, ``logprobs_NT`` with which log-probabilities.
        uniform_NT: the random numbers to choose by; ``None`` decodes greedily.
    """

    lengths_N: Tensor
    positions_N: Tensor
    unfed_N: Tensor
    steps_N: Tensor
    decoding_N: Tensor
    ids_NT: Tensor
    logprobs_NT: Tensor
    uniform_NT: Tensor | None

    @classmethod
    def blank(cls, rows: int, most: int, device: torch.device) -> DecodingRows:
        """Rows that do not decode yet, with room for turns of ``most`` ids."""
        width = most + 1  # a row that has ended still writes behind its turn

        def zeros(*shape: int, dtype: torch.dtype = torch.long) -> Tensor:
            return torch.zeros(rows, *shape, dtype=dtype, device=device)

        return cls(
            lengths_N=zeros(),
            positions_N=zeros(),
            unfed_N=zeros(),
            steps_N=zeros(),
            decoding_N=zeros(dtype=torch.bool),
            ids_NT=zeros(width),
            logprobs_NT=zeros(width, dtype=torch.float),
            uniform_NT=None,
        )

    def begin(
        self,
        rows: Sequence[int],
        lengths: Sequence[int],
        positions: Sequence[int],
        unfed: Sequence[int],
        uniform_RT: Tensor | None,
    ) -> None:
        """Begin a turn of some rows, each with its length, position and id that is read next."""
        rows_R, *places = map(self.lengths_N.new_tensor, (rows, lengths, positions, unfed))
        self.lengths_N[rows_R], self.positions_N[rows_R], self.unfed_N[rows_R] = places
        self.steps_N[rows_R], self.decoding_N[rows_R] = 0, True
        if uniform_RT is not None:
            if self.uniform_NT is None:
                self.uniform_NT = torch.zeros_like(self.logprobs_NT)
            self.uniform_NT[rows_R, : uniform_RT.shape[1]] = uniform_RT.to(self.uniform_NT)

    def sample(self, logprobs_NV: Tensor, end_id: int, most: int) -> None:
        """Choose the next id of each row that decodes; its turn ends with ``end_id`` or the
        ``most``-th id."""
        steps_N1 = self.steps_N[:, None]
        uniform_N = None if self.uniform_NT is None else self.uniform_NT.gather(1, steps_N1)[:, 0]
        chosen_N = pick(logprobs_NV, uniform_N)
        # Of no distribution at all, the turn ends; its log-probability tells whoever trains on it.
        chosen_N = torch.where(logprobs_NV[:, end_id].isnan(), end_id, chosen_N)
        chosen_N = torch.where(self.decoding_N, chosen_N, self.unfed_N)
        self.ids_NT.scatter_(1, steps_N1, chosen_N[:, None])
        self.logprobs_NT.scatter_(1, steps_N1, logprobs_NV.gather(1, chosen_N[:, None]))
        for counter_N in (self.lengths_N, self.positions_N, self.steps_N):
            counter_N += self.decoding_N
        self.unfed_N.copy_(chosen_N)
        self.decoding_N &= (chosen_N != end_id) & (self.steps_N < most)

    def generated(self, rows: Sequence[int], end_id: int) -> list[Generated]:
        """What some rows generated in their last turn, which has ended."""
        rows_R = self.lengths_N.new_tensor(rows)
        fields = self.ids_NT, self.logprobs_NT, self.steps_N
        turns = zip(*(field[rows_R].tolist() for field in fields), strict=True)
        return [Generated(ids[:n], values[:n], ids[n - 1] == end_id) for ids, values, n in turns]

    def reached(self, rows: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
        """How far some rows have come: their lengths, positions, and ids that are read next."""
        rows_R = self.lengths_N.new_tensor(rows)
        lengths, positions = self.lengths_N[rows_R].tolist(), self.positions_N[rows_R].tolist()
        return lengths, positions, self.unfed_N[rows_R].tolist()

    def longest(self) -> int:
        """The most tokens in the cache of a row that decodes; 0 where none does."""
        return int((self.lengths_N * self.decoding_N).max())

    def select(self, rows_R: Tensor) -> DecodingRows:
        """Some of the rows."""
        taken = {name: value[rows_R] for name, value in vars(self).items() if value is not None}
        return DecodingRows(**{"uniform_NT": None, **taken})
