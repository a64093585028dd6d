"""The order in which a source's prompts are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

from visionthink_pl.data.share import ALL, Share


class PromptOrder(Sampler[int]):
    """An order that depends only on (seed, epoch), so that a resumed run continues in it.

    Only whole batches are drawn, and of each batch only the share of this rank.

    Args:
        length: number of samples.
        shuffle: whether to draw in another random order in each epoch instead of the order of the
            source.
        seed: of the random orders.
        batch: samples in a batch, over all ranks.
        share: samples of a batch that this rank draws.
    """

    def __init__(
        self, length: int, shuffle: bool, seed: int, batch: int, share: Share = ALL
    ) -> None:
        self._length, self._shuffle, self._seed, self.epoch = length, shuffle, seed, 0
        self._batch, self._share = batch, share
        self._position = self._restored = {"epoch": 0, "drawn": 0}
        self._order: Sequence[int] = ()

    def __len__(self) -> int:
        return self._length // self._batch * len(self._share.of(range(self._batch)))

    def __iter__(self) -> Iterator[int]:
        """A generator, so that the epoch is read at the first index: Lightning calls ``set_epoch``
        after ``iter()``."""
        epoch, restored = self.epoch, self._restored
        order = self._order = self._permutation(epoch) if self._shuffle else range(self._length)
        start = restored["drawn"] if restored["epoch"] == epoch else 0
        self._restored = {"epoch": 0, "drawn": 0}
        for end in range(start + self._batch, self._length + 1, self._batch):
            for index in self._share.of(order[end - self._batch : end]):
                self._position = {"epoch": epoch, "drawn": end}
                yield index

    def upcoming(self) -> Sequence[int]:
        """This rank's indices in the next batch of the epoch, for prefetching."""
        batch = self._order[self._position["drawn"] :][: self._batch]
        return self._share.of(batch) if len(batch) == self._batch else ()

    def _permutation(self, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
        return torch.randperm(self._length, generator=generator).tolist()

    def state_dict(self) -> dict[str, int]:
        return self._position

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """The position is valid for its epoch only: if that was over, the next one starts at its
        beginning."""
        self.epoch, self._restored = state_dict["epoch"], state_dict

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of each epoch."""
        self.epoch = epoch
