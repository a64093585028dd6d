"""Decoding many rows at once: each prompt is read once, and no row reads its history again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from visionthink_pl.rollout.cache import RaggedCache
from visionthink_pl.rollout.rows import DecodingRows, Generated
from visionthink_pl.rollout.truncation import Truncation
from visionthink_pl.types.supports import Supports

if TYPE_CHECKING:
    from visionthink_pl.policy import Policy  # with peft, which takes seconds to load

BUCKET = 64  # attention looks at a multiple of this many places, so that shapes rarely change
READ = 8192  # tokens that are read at once: more would take more memory, and no less time
MOSTLY = 0.75  # rows move together when fewer than this share of them is still of use


@dataclass(frozen=True)
class Given:
    """Input of a row: a prompt or a tool response, with the images in it."""

    ids: list[int]
    images: list[Image.Image]


class _State(Enum):
    DECODING = "in a turn whose end has not been seen yet"
    WAITING = "its turn has ended; it may be given something to read"
    STOPPED = "it will not go on"


@dataclass
class _Slot:
    """What the host knows of a row; how far it has come, ``DecodingRows`` knows on the device.

    Attributes:
        row: the caller's number for it.
        sets: the ids that each token of its turn was chosen from, where not from all.
    """

    row: int
    state: _State = _State.DECODING
    sets: list[Tensor] = field(default_factory=list)


class Decoder:
    """Rows that are decoded together, each in a turn of its own.

    A row is in one of three states::

        start -> DECODING -- turn ends --> WAITING -- stop --> STOPPED
                    ^                         |
                    +-------- resume ---------+

    ``start`` reads each prompt once and copies its cache to the rows that share it; ``run``
    decodes until turns end; ``resume`` lets rows read what they are given then, behind the cache
    they have, and go on beside the others.

    Args:
        policy: the model to sample from.
        max_new_tokens: a turn that reaches this many tokens has not finished.
        check_every: tokens between two looks at which rows have ended. On a GPU a look waits for
            all that was queued, and costs more than a few tokens too many.
        truncation: which ids may be sampled.
        growth: a cache that is too small gets at least so many times its capacity.
    """

    def __init__(
        self,
        policy: Policy,
        max_new_tokens: int,
        check_every: int,
        truncation: Truncation = Truncation(),  # noqa: B008 (frozen)
        growth: float = 1.0,
    ) -> None:
        self._policy, self._max, self._check_every = policy, max_new_tokens, check_every
        self._growth = growth
        self._device, self._truncation = policy.device, truncation
        self._slots: list[_Slot] = []
        self._masks: list[Tensor] = []  # (N, V) a step: the ids that were left to choose from
        self._longest = 0  # as of the rows, counted on: no step may wait for the device

    @property
    def decoding(self) -> int:
        """How many rows are in a turn."""
        return sum(slot.state is _State.DECODING for slot in self._slots)

    def start(
        self, prompts: Sequence[Given], prompt_of_row: Sequence[int], uniform_NT: Tensor | None
    ) -> None:
        """Read the prompts and begin the first turn of each row.

        Args:
            prompts: each distinct prompt once.
            prompt_of_row: for each row, which of them it has.
            uniform_NT: numbers in [0, 1), one for each row and new token; ``None`` decodes
                greedily.
        """
        cache = RaggedCache(len(prompts), max(len(prompt.ids) for prompt in prompts))
        nothing = [0] * len(prompts)
        positions = self._read(cache, range(len(prompts)), prompts, nothing, nothing)
        self._cache = cache.take(self._tensor(prompt_of_row), self._room(cache.capacity))
        self._slots = [_Slot(row) for row in range(len(prompt_of_row))]
        self._rows = DecodingRows.blank(len(self._slots), self._max, self._device)
        of_row = [prompts[index].ids for index in prompt_of_row]
        self._begin(
            range(len(self._slots)),
            [len(ids) - 1 for ids in of_row],
            [positions[index] for index in prompt_of_row],
            [ids[-1] for ids in of_row],
            uniform_NT,
        )

    def run(self) -> list[tuple[int, Generated]]:
        """Decode until turns end; the rows whose turn did, and what they generated in it."""
        alive = self._alive()
        if len(alive) <= MOSTLY * len(self._slots):
            self._keep(alive, self._cache.capacity)
        while True:
            for _ in range(self._check_every):
                self._step()
            self._read_masks()
            if ended := self._ended():
                return self._end(ended)

    def stop(self, row: int) -> None:
        """A row whose turn has ended will not go on."""
        next(slot for slot in self._slots if slot.row == row).state = _State.STOPPED

    def resume(self, given: Mapping[int, Given], uniform_NT: Tensor | None) -> None:
        """Let rows whose turn has ended read what they are given, and begin their next turn.

        Args:
            given: for each row, what follows its turn.
            uniform_NT: as for ``start``, in the order of ``given``.
        """
        lengths, starts, unfed = self._rows.reached(self._indices(given))
        blocks = [
            Given([last, *block.ids], block.images)
            for last, block in zip(unfed, given.values(), strict=True)
        ]
        pairs = zip(lengths, blocks, strict=True)
        capacity = self._room(max(length + len(block.ids) for length, block in pairs))
        if capacity > self._cache.capacity:
            grown = int(self._growth * self._cache.capacity) // BUCKET * BUCKET
            self._keep(self._alive(), max(capacity, grown))
        positions = self._read(self._cache, self._indices(given), blocks, lengths, starts)
        lengths = [n + len(block.ids) - 1 for n, block in zip(lengths, blocks, strict=True)]
        unfed = [block.ids[-1] for block in blocks]
        self._begin(self._indices(given), lengths, positions, unfed, uniform_NT)

    def _indices(self, rows: Iterable[int]) -> list[int]:
        """The slots that the caller's ``rows`` are in now."""
        index_of = {slot.row: index for index, slot in enumerate(self._slots)}
        return [index_of[row] for row in rows]

    def _room(self, length: int) -> int:
        """Cache capacity for a turn behind ``length`` tokens, in whole buckets."""
        return -(-(length + self._max + self._check_every) // BUCKET) * BUCKET

    def _tensor(self, values: Sequence[int]) -> Tensor:
        return torch.tensor(values, device=self._device)

    def _read(
        self,
        cache: RaggedCache,
        rows: Sequence[int],
        blocks: Sequence[Given],
        lengths: Sequence[int],
        starts: Sequence[int],
    ) -> list[int]:
        """Put all but the last token of each block into the cache, behind ``lengths`` tokens of its
        row, some rows at a time.

        Returns:
            The rotary position of each block's last token, where the first has ``starts``.
        """
        at_once = max(READ // max(len(block.ids) for block in blocks), 1)
        positions: list[int] = []
        for first in range(0, len(blocks), at_once):
            some = slice(first, first + at_once)
            rows_R = self._tensor(rows[some])
            positions += self._read_rows(cache, rows_R, blocks[some], lengths[some], starts[some])
        return positions

    def _read_rows(
        self,
        cache: RaggedCache,
        rows_R: Tensor,
        blocks: Sequence[Given],
        lengths: Sequence[int],
        starts: Sequence[int],
    ) -> list[int]:
        policy = self._policy
        rows = [torch.tensor(block.ids[:-1]) for block in blocks]
        ids_RT = pad_sequence(rows, batch_first=True, padding_value=policy.pad_id)
        step_T = torch.arange(ids_RT.shape[1])
        real_RT = step_T < torch.tensor([len(row) for row in rows])[:, None]
        visual = policy.visual_tokens([image for block in blocks for image in block.images])
        positions_ART = policy.positions(ids_RT, real_RT, visual) + torch.tensor(starts)[:, None]
        after_R = positions_ART.masked_fill(~real_RT, -1).amax((0, 2)) + 1
        seen = min(max(lengths) + len(step_T), cache.capacity)  # what lies behind is padding
        slots_RT = (torch.tensor(lengths)[:, None] + step_T).clamp(max=seen - 1).to(self._device)
        cache.write_at(rows_R, slots_RT, seen)
        attention = self._behind(slots_RT, seen) if any(lengths) else {}
        ids_RT, positions_ART = ids_RT.to(self._device), positions_ART.to(self._device)
        policy.hidden(ids_RT, positions_ART, visual, cache=cache, **attention)
        return after_R.tolist()

    def _behind(self, slots_RT: Tensor, seen: int) -> dict[str, Tensor]:
        """Attention arguments of blocks behind a cache: long ones use the causal kernel, which
        skips masked keys; short ones a mask, since that kernel would recompute old queries."""
        if 2 * slots_RT.shape[1] > seen:
            return {"places_NT": slots_RT}
        return {"mask": self._visible(slots_RT, seen)}

    def _visible(self, slots_NT: Tensor, seen: int) -> Tensor:
        """Attention mask of new tokens, shape (N, 1, T, seen): each sees its row up to itself."""
        return (torch.arange(seen, device=self._device) <= slots_NT[..., None])[:, None]

    def _begin(
        self,
        indices: Sequence[int],
        lengths: Sequence[int],
        positions: Sequence[int],
        unfed: Sequence[int],
        uniform_NT: Tensor | None,
    ) -> None:
        """Begin a turn of the slots ``indices``, as ``DecodingRows.begin`` does."""
        for index in indices:
            self._slots[index].state = _State.DECODING
        self._longest = max(self._longest, *lengths)
        self._rows.begin(indices, lengths, positions, unfed, uniform_NT)

    def _step(self) -> None:
        """One forward pass: each decoding row reads its last id and samples the next."""
        policy, rows = self._policy, self._rows
        seen = min(self._cache.capacity, -(-(self._longest + 1) // BUCKET) * BUCKET)
        slots_N1 = rows.lengths_N[:, None]
        self._cache.write_at(None, slots_N1, seen)
        hidden_N1D = policy.hidden(
            rows.unfed_N[:, None],
            rows.positions_N[None, :, None],
            mask=self._visible(slots_N1, seen),
            cache=self._cache,
        )
        logprobs_NV = policy.distribution(hidden_N1D[:, 0])
        if self._truncation.active:
            logprobs_NV = self._truncation(logprobs_NV)
            self._masks.append(logprobs_NV.ne(-torch.inf) & rows.decoding_N[:, None])
        rows.sample(logprobs_NV, policy.end_of_turn_id, self._max)
        self._longest += 1

    def _read_masks(self) -> None:
        """Fetch the ids that tokens since the last look were chosen from; a look waits anyway."""
        for mask_NV in self._masks:
            sets = mask_NV.nonzero()[:, 1].int().cpu().split(mask_NV.sum(-1).tolist())
            for slot, ids in zip(self._slots, sets, strict=True):
                slot.sets += [ids] if len(ids) else []
        self._masks.clear()

    def _ended(self) -> list[int]:
        """The slots whose turn has ended since anyone looked."""
        goes_on = self._rows.decoding_N.tolist()
        pairs = enumerate(zip(self._slots, goes_on, strict=True))
        return [i for i, (slot, on) in pairs if slot.state is _State.DECODING and not on]

    def _end(self, indices: Sequence[int]) -> list[tuple[int, Generated]]:
        """Collect what the slots ``indices`` generated; they wait from now on."""
        ended = self._rows.generated(indices, self._policy.end_of_turn_id)
        self._longest = self._rows.longest()
        out = []
        for slot, generated in zip([self._slots[i] for i in indices], ended, strict=True):
            slot.state = _State.WAITING
            if slot.sets:
                generated = replace(generated, supports=Supports.of(slot.sets))
                slot.sets = []
            out.append((slot.row, generated))
        return out

    def _alive(self) -> list[int]:
        """The slots that may go on."""
        return [i for i, slot in enumerate(self._slots) if slot.state is not _State.STOPPED]

    def _keep(self, indices: Sequence[int], capacity: int) -> None:
        """Drop all other slots, and copy the kept ones into a cache of this capacity."""
        index = self._tensor(indices)
        self._cache = self._cache.take(index, capacity)
        self._rows = self._rows.select(index)
        self._slots = [self._slots[i] for i in indices]
